"""``edgemind quantize --list``: the types, how many bits a weight takes in each, and what one should know of it.

Not for: making anything (``quantize``), the table's facts (``models.quantizations``).
"""

from __future__ import annotations

from edgemind.cli import console


def tell_types(json_output: bool) -> None:
    """Print them, most bits first."""
    from edgemind.cli.table import Column, note, screen_width, table
    from edgemind.models.quantizations import ALL, COPY, SPECIAL, TENSOR_TYPES, about

    if json_output:
        types = [
            {"type": one.name, "bits_per_weight": one.bits, "needs_matrix": one.needs_matrix, "note": about(one)}
            for one in ALL
        ]
        console.out_json({"types": types, "tensor_types": list(TENSOR_TYPES)})
        return
    width = screen_width()
    columns = (Column("TYPE"), Column("BITS", right=True), Column("NOTE", shrinks=True))
    rows = [[one.name, f"{one.bits:.2f}", about(one)] for one in ALL]
    console.out(table(columns, [*rows, [COPY, "", SPECIAL[COPY]]], width) + "\n")
    told = (
        "Bits per weight of Llama 3.1 8B; what your model would have: edgemind quantize NAME TYPE --dry-run",
        f"Types of single tensors, for --tensor-type and the like: {', '.join(TENSOR_TYPES)}",
    )
    console.out("".join(note(line, width) for line in told))
