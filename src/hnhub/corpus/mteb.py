"""The tasks of mteb that are BEIR's corpora: name, repository, and the commit that mteb 2.26 pins, all from mteb's task files.

mteb's own descriptive statistics give the catalog's numbers of documents and of queries of the split that is named here, but for two that
were not compared in full: MS MARCO (train and test queries) and Touche 2020. None of these repositories was fetched: that they
hold `corpus`, `queries` and `default`, and further splits under their usual names, is taken from mteb's loader and is found
out when one is loaded, by the counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MTEB", "MtebTask"]


@dataclass(frozen=True)
class MtebTask:
    """A retrieval task, as mteb names and pins it."""

    name: str
    repo: str
    revision: str
    split: str = "test"
    """What mteb evaluates on."""


MTEB: Mapping[str, MtebTask] = {
    "msmarco": MtebTask("MSMARCO", "mteb/msmarco", "c5a29a104738b98a9e76336939199e264163d4a0", "dev"),
    "trec-covid": MtebTask("TRECCOVID", "mteb/trec-covid", "bb9466bac8153a0349341eb1b22e06409e78ef4e"),
    "nfcorpus": MtebTask("NFCorpus", "mteb/nfcorpus", "ec0fa4fe99da2ff19ca1214b7966684033a58814"),
    "nq": MtebTask("NQ", "mteb/nq", "b774495ed302d8c44a3a7ea25c90dbce03968f31"),
    "hotpotqa": MtebTask("HotpotQA", "mteb/hotpotqa", "ab518f4d6fcca38d87c25209f94beba119d02014"),
    "fiqa": MtebTask("FiQA2018", "mteb/fiqa", "27a168819829fe9bcd655c2df245fb19452e8e06"),
    "arguana": MtebTask("ArguAna", "mteb/arguana", "c22ab2a51041ffd869aaddef7af8d8215647e41a"),
    "webis-touche2020": MtebTask("Touche2020", "mteb/touche2020", "a34f9a33db75fa0cbb21bb5cfc3dae8dc8bec93f"),
    "quora": MtebTask("QuoraRetrieval", "mteb/quora", "e4e08e0b7dbe3c8700f0daef558ff32256715259"),
    "dbpedia-entity": MtebTask("DBPedia", "mteb/dbpedia", "c0f706b76e590d620bd6618b3ca8efdd34e2d659"),
    "scidocs": MtebTask("SCIDOCS", "mteb/scidocs", "f8c2fcf00f625baaa80f62ec5bd9e1fff3b8ae88"),
    "fever": MtebTask("FEVER", "mteb/fever", "bea83ef9e8fb933d90a2f1d5515737465d613e12"),
    "climate-fever": MtebTask("ClimateFEVER", "mteb/climate-fever", "47f2ac6acb640fc46020b02a5b59fdda04d39380"),
    "scifact": MtebTask("SciFact", "mteb/scifact", "d56462d0e63a25450459c4f213e49ffdb866f7f9"),
    "cqadupstack-android": MtebTask(
        "CQADupstackAndroidRetrieval", "mteb/CQADupstackAndroidRetrieval", "9be4c0e46342e8e3aff577a89b9a1ec9bc6b4af3"
    ),
    "cqadupstack-english": MtebTask(
        "CQADupstackEnglishRetrieval", "mteb/cqadupstack-english", "ad9991cb51e31e31e430383c75ffb2885547b5f0"
    ),
    "cqadupstack-gaming": MtebTask(
        "CQADupstackGamingRetrieval", "mteb/cqadupstack-gaming", "4885aa143210c98657558c04aaf3dc47cfb54340"
    ),
    "cqadupstack-gis": MtebTask(
        "CQADupstackGisRetrieval", "mteb/cqadupstack-gis", "5003b3064772da1887988e05400cf3806fe491f2"
    ),
    "cqadupstack-mathematica": MtebTask(
        "CQADupstackMathematicaRetrieval", "mteb/cqadupstack-mathematica", "90fceea13679c63fe563ded68f3b6f06e50061de"
    ),
    "cqadupstack-physics": MtebTask(
        "CQADupstackPhysicsRetrieval", "mteb/cqadupstack-physics", "79531abbd1fb92d06c6d6315a0cbbbf5bb247ea4"
    ),
    "cqadupstack-programmers": MtebTask(
        "CQADupstackProgrammersRetrieval", "mteb/cqadupstack-programmers", "6184bc1440d2dbc7612be22b50686b8826d22b32"
    ),
    "cqadupstack-stats": MtebTask(
        "CQADupstackStatsRetrieval", "mteb/cqadupstack-stats", "65ac3a16b8e91f9cee4c9828cc7c335575432a2a"
    ),
    "cqadupstack-tex": MtebTask(
        "CQADupstackTexRetrieval", "mteb/cqadupstack-tex", "46989137a86843e03a6195de44b09deda022eec7"
    ),
    "cqadupstack-unix": MtebTask(
        "CQADupstackUnixRetrieval", "mteb/cqadupstack-unix", "6c6430d3a6d36f8d2a829195bc5dc94d7e063e53"
    ),
    "cqadupstack-webmasters": MtebTask(
        "CQADupstackWebmastersRetrieval", "mteb/cqadupstack-webmasters", "160c094312a0e1facb97e55eeddb698c0abe3571"
    ),
    "cqadupstack-wordpress": MtebTask(
        "CQADupstackWordpressRetrieval", "mteb/cqadupstack-wordpress", "4ffe81d471b1924886b33c7567bfb200e9eec5c4"
    ),
}
"""By the catalog's names."""
