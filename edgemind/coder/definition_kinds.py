"""Which nodes of a tree-sitter grammar are definitions, for each language, and how they are called on a map.

Languages that are not listed are taken by the names that most grammars use (``function_definition``, ``class_item``).
Not for: walking trees (``symbols``), loading grammars (``parsing``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LISTED = {
    "bash": "function_definition",
    "c": "function_definition type_definition struct_specifier enum_specifier union_specifier preproc_def"
    " preproc_function_def",
    "cpp": "function_definition type_definition struct_specifier class_specifier enum_specifier union_specifier"
    " namespace_definition alias_declaration concept_definition preproc_def preproc_function_def",
    "csharp": "class_declaration interface_declaration struct_declaration record_declaration enum_declaration"
    " method_declaration constructor_declaration property_declaration delegate_declaration namespace_declaration"
    " local_function_statement",
    "dart": "class_definition mixin_declaration enum_declaration extension_declaration function_signature"
    " constructor_signature getter_signature setter_signature type_alias",
    "go": "function_declaration method_declaration type_spec type_alias const_spec method_elem",
    "haskell": "function signature data_type newtype class type_synomym bind",
    "java": "class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration"
    " method_declaration constructor_declaration compact_constructor_declaration",
    "javascript": "class_declaration function_declaration generator_function_declaration method_definition",
    "julia": "function_definition macro_definition struct_definition abstract_definition module_definition",
    "kotlin": "class_declaration object_declaration function_declaration type_alias",
    "lua": "function_declaration",
    "ocaml": "value_definition type_binding module_binding class_binding method_definition external"
    " exception_definition",
    "perl": "package_statement subroutine_declaration_statement method_declaration_statement class_statement",
    "php": "class_declaration interface_declaration trait_declaration enum_declaration function_definition"
    " method_declaration namespace_definition",
    "python": "class_definition function_definition type_alias_statement",
    "ruby": "class module method singleton_method",
    "rust": "function_item function_signature_item struct_item enum_item union_item trait_item impl_item mod_item"
    " type_item const_item static_item macro_definition",
    "scala": "class_definition object_definition trait_definition enum_definition function_definition"
    " function_declaration type_definition given_definition",
    "sql": "create_table create_view create_function create_index create_type",
    "swift": "class_declaration protocol_declaration function_declaration protocol_function_declaration"
    " typealias_declaration init_declaration",
    "typescript": "class_declaration abstract_class_declaration function_declaration generator_function_declaration"
    " method_definition interface_declaration type_alias_declaration enum_declaration abstract_method_signature"
    " function_signature method_signature internal_module",
}
_LISTED["tsx"] = _LISTED["typescript"]
_LISTED["cuda"] = _LISTED["cpp"]
_LISTED["ocaml_interface"] = f"{_LISTED['ocaml']} value_specification"

_SHAPES = {
    "javascript": (
        "(program (lexical_declaration (variable_declarator) @definition))",
        "(program (export_statement (lexical_declaration (variable_declarator) @definition)))",
        "(program (variable_declaration (variable_declarator value: "
        "[(function_expression) (arrow_function) (class) (object)]) @definition))",
        "(program (expression_statement (assignment_expression left: (member_expression) right: "
        "[(function_expression) (arrow_function) (class)]) @definition))",
    ),
    "python": (
        "(module (assignment left: (identifier)) @definition)",
        "(module (expression_statement (assignment left: (identifier)) @definition))",
    ),
    "ruby": ("(program (assignment left: (constant)) @definition)",),
}
_SHAPES["typescript"] = _SHAPES["tsx"] = _SHAPES["javascript"]
"""Definitions that only their place makes worth showing: constants of a module."""

_USUAL = re.compile(
    r"(function|func|method|class|struct|interface|enum|trait|module|namespace|type|object|protocol|union|record"
    r"|constructor|macro|alias|subroutine|procedure|contract|library|service|extension)"
    r"(_def|_definition|_declaration|_item|_spec|_specifier|_statement|_alias_declaration|_type_definition)"
    r"|message|service|rpc|subroutine"
)
_NOT = re.compile(
    r"(^|_)(end|parameter|field|forward|value|return|import|export|use|using)(_|$)|^type_switch_statement"
)

_ITSELF = re.compile(r"comment|(^|_)string(_literal|_content|_fragment)?$|_string$|heredoc|text$")


def definition_kinds(language: str, kinds: Iterable[str]) -> list[str]:
    """Those of a grammar's named node kinds that are definitions."""
    available = set(kinds)
    if language in _LISTED:
        return [kind for kind in _LISTED[language].split() if kind in available]
    return sorted(kind for kind in available if _USUAL.fullmatch(kind) and not _NOT.search(kind))


def shapes(language: str) -> tuple[str, ...]:
    """Queries for definitions that are more than one kind of node, each with the capture ``@definition``."""
    return _SHAPES.get(language, ())


def unread_kinds(kinds: Iterable[str]) -> list[str]:
    """Node kinds in which names are no references: comments and strings."""
    return sorted(kind for kind in set(kinds) if _ITSELF.search(kind) and "interpolat" not in kind)
