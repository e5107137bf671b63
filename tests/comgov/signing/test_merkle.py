"""The tree of RFC 9162: its known vectors, and proofs that hold for the truth and for nothing else."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comgov.signing.merkle import (
    EMPTY_ROOT,
    Frontier,
    Path,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
    tree,
)

# The entries and roots that the Certificate Transparency project publishes for RFC 6962 and 9162
# (google/certificate-transparency, merkletree/merkle_tree_test.cc).
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def root_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(root_by_definition(leaves[:half]), root_by_definition(leaves[half:]))


def inclusion(leaves: list[bytes], index: int) -> Path:
    _, node = tree(leaves)
    proof = inclusion_proof(index, len(leaves))
    return proof.path({each: node(each) for each in proof.nodes})


def consistency(leaves: list[bytes], old: int) -> Path:
    _, node = tree(leaves)
    proof = consistency_proof(old, len(leaves))
    return proof.path({each: node(each) for each in proof.nodes})


@pytest.mark.parametrize(("size", "root"), list(enumerate(ROOTS, start=1)))
def test_roots_are_the_published_ones(size: int, root: str) -> None:
    assert tree(LEAVES[:size])[0].root.hex() == root


def test_the_empty_tree_has_the_root_of_no_bytes() -> None:
    assert Frontier().root == EMPTY_ROOT == sha256(b"").digest()


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, path: list[str]) -> None:
    assert [found.hex() for found in inclusion(LEAVES[:size], index)] == path


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_consistency_proofs_are_the_published_ones(old: int, new: int, path: list[str]) -> None:
    assert [found.hex() for found in consistency(LEAVES[:new], old)] == path


leaf_lists = st.lists(st.binary(max_size=4).map(leaf_hash), min_size=1, max_size=70)


@given(leaf_lists)
def test_the_frontier_gives_the_root_of_the_definition(leaves: list[bytes]) -> None:
    assert tree(leaves)[0].root == root_by_definition(leaves)


@given(leaf_lists)
def test_the_frontier_alone_proves_the_leaf_appended_next(leaves: list[bytes]) -> None:
    before, _ = tree(leaves[:-1])
    assert before.next_path == inclusion(leaves, len(leaves) - 1)


@given(leaf_lists, st.data())
def test_every_entry_proves_its_place_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    size, root, path = len(leaves), tree(leaves)[0].root, inclusion(leaves, index)
    assert len(path) <= (size - 1).bit_length()
    assert is_included(leaves[index], index, size, path, root)
    assert not is_included(leaf_hash(b"another"), index, size, path, root)
    assert not is_included(leaves[index], index, size, (*path, root), root)
    assert not path or not is_included(leaves[index], index, size, path[:-1], root)
    other = data.draw(st.integers(0, size - 1).filter(lambda drawn: leaves[drawn] != leaves[index]) | st.just(size))
    assert not is_included(leaves[index], other, size, path, root)


@given(leaf_lists, st.data())
def test_a_longer_tree_proves_that_it_begins_with_the_shorter(leaves: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(1, len(leaves)))
    old_root, new_root = tree(leaves[:old])[0].root, tree(leaves)[0].root
    path = consistency(leaves, old)
    assert is_consistent(old, old_root, len(leaves), new_root, path)
    assert not is_consistent(old, leaf_hash(b"another"), len(leaves), new_root, path)
    assert not is_consistent(old, old_root, len(leaves), leaf_hash(b"another"), path)
    assert not is_consistent(old, old_root, len(leaves), new_root, (*path, new_root))
    assert not path or not is_consistent(old, old_root, len(leaves), new_root, path[:-1])


@given(
    st.integers(-2, 80),
    st.integers(-2, 80),
    st.lists(st.binary(min_size=32, max_size=32) | st.binary(max_size=40), max_size=8),
    st.binary(min_size=32, max_size=32),
)
def test_a_strangers_proof_is_answered_and_never_believed(
    first: int, second: int, path: list[bytes], root: bytes
) -> None:
    assert not is_included(LEAVES[0], first, second, path, root)
    assert not is_consistent(first, LEAVES[0], second, root, path)


def test_every_tree_begins_with_the_empty_one() -> None:
    assert is_consistent(0, EMPTY_ROOT, 3, tree(LEAVES[:3])[0].root, ())
    assert not is_consistent(0, EMPTY_ROOT, 3, tree(LEAVES[:3])[0].root, LEAVES[:1])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, size)


def test_a_frontier_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="peaks"):
        Frontier(3, (EMPTY_ROOT,))
