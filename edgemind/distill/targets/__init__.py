"""Soft targets: what a teacher thinks of every token of an example, captured once and read in every epoch.

``vocabulary`` says whether two models mean the same by a token's number, ``teachers`` computes, ``capture`` stores,
``shards`` and ``example_set`` read, ``alignment`` is for a teacher with another tokenizer.
"""
