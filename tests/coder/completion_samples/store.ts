import { EventEmitter } from "node:events";
import { readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";

export interface Note {
  id: number;
  title: string;
  tags: string[];
  written: Date;
}

export type Filter = (note: Note) => boolean;

const EMPTY: Readonly<Note[]> = [];

/** Notes in a file, one JSON object a line. */
export class Store extends EventEmitter {
  private notes: Note[] = [...EMPTY];
  private next = 1;

  constructor(private readonly folder: string, private readonly limit = 1000) {
    super();
  }

  get file(): string {
    return path.join(this.folder, "notes.jsonl");
  }

  async load(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.file, "utf8");
    } catch (problem) {
      if ((problem as NodeJS.ErrnoException).code === "ENOENT") {
        return;
      }
      throw problem;
    }
    this.notes = text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => {
        const value = JSON.parse(line);
        return { ...value, written: new Date(value.written) };
      });
    this.next = Math.max(0, ...this.notes.map((note) => note.id)) + 1;
    this.emit("loaded", this.notes.length);
  }

  add(title: string, tags: string[] = []): Note {
    if (this.notes.length >= this.limit) {
      throw new RangeError(`there is room for ${this.limit} notes`);
    }
    const note: Note = {
      id: this.next++,
      title: title.trim(),
      tags: [...new Set(tags)].sort(),
      written: new Date(),
    };
    this.notes.push(note);
    this.emit("added", note);
    return note;
  }

  find(filter: Filter): Note[] {
    return this.notes.filter(filter);
  }

  byTag(): Map<string, Note[]> {
    const found = new Map<string, Note[]>();
    for (const note of this.notes) {
      for (const tag of note.tags) {
        const known = found.get(tag);
        if (known) {
          known.push(note);
        } else {
          found.set(tag, [note]);
        }
      }
    }
    return found;
  }

  async save(): Promise<void> {
    const lines = this.notes.map((note) => JSON.stringify(note));
    const temporary = `${this.file}.part`;
    await writeFile(temporary, lines.join("\n") + "\n");
    await rename(temporary, this.file);
  }
}

export function tagged(...wanted: string[]): Filter {
  return (note) => wanted.every((tag) => note.tags.includes(tag));
}
