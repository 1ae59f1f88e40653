"""The tables of the history, as version 1 made them.

Small columns stand before long ones: SQLite keeps the end of a long row on pages of its own, and walking from a
message to its parent then reads none of them. The two search tables keep no text of their own (``content=''``).
Not for: changing them in a later version (``migrations``).
"""

from __future__ import annotations

TABLES = (
    """
    CREATE TABLE chats (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        titled INTEGER NOT NULL,
        created REAL NOT NULL,
        updated REAL NOT NULL,
        pinned INTEGER NOT NULL,
        folder TEXT NOT NULL,
        messages INTEGER NOT NULL,
        leaf TEXT,
        persona TEXT,
        model TEXT,
        parameters TEXT NOT NULL,
        system TEXT NOT NULL
    )
    """,
    "CREATE INDEX chats_in_order ON chats (pinned DESC, updated DESC, seq DESC)",
    "CREATE INDEX chats_in_folder ON chats (folder, pinned DESC, updated DESC, seq DESC)",
    """
    CREATE TABLE chat_tags (
        tag TEXT NOT NULL,
        chat INTEGER NOT NULL REFERENCES chats (seq) ON DELETE CASCADE,
        PRIMARY KEY (tag, chat)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX tags_of_chat ON chat_tags (chat)",
    """
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        chat INTEGER NOT NULL REFERENCES chats (seq) ON DELETE CASCADE,
        parent INTEGER REFERENCES messages (seq),
        depth INTEGER NOT NULL,
        role TEXT NOT NULL,
        state TEXT NOT NULL,
        searchable INTEGER NOT NULL,
        created REAL NOT NULL,
        model TEXT,
        error TEXT NOT NULL,
        content TEXT NOT NULL,
        reasoning TEXT NOT NULL,
        details TEXT NOT NULL,
        confidence TEXT NOT NULL
    )
    """,
    "CREATE INDEX messages_of_parent ON messages (parent)",
    "CREATE INDEX messages_of_chat ON messages (chat, parent)",
    "CREATE INDEX messages_being_written ON messages (state) WHERE state = 'writing'",
    """
    CREATE TABLE pieces (
        seq INTEGER PRIMARY KEY,
        message INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
        content TEXT NOT NULL,
        reasoning TEXT NOT NULL,
        confidence TEXT NOT NULL
    )
    """,
    "CREATE INDEX pieces_of_message ON pieces (message)",
    """
    CREATE TABLE attachments (
        seq INTEGER PRIMARY KEY,
        message INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
        info TEXT NOT NULL,
        content TEXT NOT NULL
    )
    """,
    "CREATE INDEX attachments_of_message ON attachments (message)",
    "CREATE TABLE personas (name TEXT PRIMARY KEY, parameters TEXT NOT NULL, system TEXT NOT NULL)",
    "CREATE TABLE drafts (chat TEXT PRIMARY KEY, content TEXT NOT NULL)",
    """
    CREATE VIRTUAL TABLE message_words USING fts5 (
        content, reasoning, attachments, content='', tokenize='ascii', prefix='1 2'
    )
    """,
    "CREATE VIRTUAL TABLE title_words USING fts5 (title, content='', tokenize='ascii', prefix='1 2')",
)

SEARCH_TABLES = ("message_words", "title_words")
