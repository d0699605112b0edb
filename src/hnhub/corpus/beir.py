"""The BEIR corpora and MS MARCO, as data.

Counts: ir_datasets' metadata and mteb's (the forums' queries: ir_datasets). Licence tags: mteb's task metadata; BeIR's
own cards say cc-by-sa-4.0 for every corpus, so a tag is where to start, not advice. BM25: Anserini's reproduction
configs at commit 81e3414, k1 0.9, b 0.4, test split. Revisions: commits that were seen to hold these counts (SciFact's BeIR
repositories), or that published code pins; where BeIR's is not pinned by anyone, the text comes from mteb's repository. The same document and query id
means a copy of the query on ArguAna, Quora, FiQA, FEVER and MS MARCO only.
"""

from collections.abc import Mapping

from hnhub.corpus.citations import CITATIONS
from hnhub.corpus.mteb import MTEB
from hnhub.corpus.spec import CorpusSpec

__all__ = ["FORUMS", "SPECS"]

_MTEB = "mteb task metadata"
_GATED = "its text comes from the owner under an agreement; only ids may be published"


def _bm25(
    flat: tuple[float, float], multifield: tuple[float, float] | None = None
) -> Mapping[str, Mapping[str, float]]:
    """Each pair is (nDCG@10, Recall@100)."""
    kinds = {"flat": flat} if multifield is None else {"flat": flat, "multifield": multifield}
    return {kind: {"nDCG@10": ndcg, "Recall@100": recall} for kind, (ndcg, recall) in kinds.items()}


_OPEN = (
    CorpusSpec(
        name="msmarco",
        title="MS MARCO",
        documents=8_841_823,
        judged_queries={"train": 502_939, "dev": 6_980, "test": 43},
        licence="msr-la-nc",
        licence_source=_MTEB,
        redistributable=None,
        licence_note="Microsoft's terms: non-commercial research only; BeIR's card says cc-by-sa-4.0",
        hub_id="BeIR/msmarco",
        revision="a918e0d11a77ed33f42f29d98340b655593b96ad",
        qrels_hub_id="BeIR/msmarco-qrels",
        qrels_revision="253fbf8a3f8d4a0932b63882b5162bedc84779f5",
        mteb=MTEB["msmarco"],
        citation=CITATIONS["msmarco"],
        family="question",
        evaluation_splits=("test", "dev"),
        drop_same_id=True,
    ),
    CorpusSpec(
        name="trec-covid",
        title="TREC-COVID",
        documents=171_332,
        judged_queries={"test": 50},
        licence="unspecified",
        licence_source=_MTEB,
        redistributable=None,
        licence_note="papers of CORD-19 under licences of their own; BeIR's card says cc-by-sa-4.0",
        hub_id=MTEB["trec-covid"].repo,
        revision=MTEB["trec-covid"].revision,
        mteb=MTEB["trec-covid"],
        citation=CITATIONS["trec-covid"],
        family="health",
        bm25=_bm25((0.5947, 0.1091), (0.6559, 0.1141)),
    ),
    CorpusSpec(
        name="nfcorpus",
        title="NFCorpus",
        documents=3_633,
        judged_queries={"train": 2_590, "dev": 324, "test": 323},
        licence="unspecified",
        licence_source=_MTEB,
        redistributable=None,
        licence_note="its authors: free for academic use, else NutritionFacts.org's terms; BeIR's card: cc-by-sa-4.0",
        hub_id="BeIR/nfcorpus",
        revision="b5026a0e96e8a7ac4f95f482a596389289d46269",
        qrels_hub_id="BeIR/nfcorpus-qrels",
        qrels_revision="a451b3b26d3ae1358f259c1a3a4dd61fcea35a65",
        mteb=MTEB["nfcorpus"],
        citation=CITATIONS["nfcorpus"],
        family="health",
        bm25=_bm25((0.3218, 0.2457), (0.3254, 0.2500)),
    ),
    CorpusSpec(
        name="nq",
        title="Natural Questions",
        documents=2_681_468,
        judged_queries={"test": 3_452},
        licence="cc-by-nc-sa-3.0",
        licence_source=_MTEB,
        redistributable=True,
        licence_note="sources disagree: BeIR's card says cc-by-sa-4.0; under the tag, non-commercially only",
        hub_id=MTEB["nq"].repo,
        revision=MTEB["nq"].revision,
        mteb=MTEB["nq"],
        citation=CITATIONS["nq"],
        family="question",
        bm25=_bm25((0.3055, 0.7513), (0.3285, 0.7597)),
    ),
    CorpusSpec(
        name="hotpotqa",
        title="HotpotQA",
        documents=5_233_329,
        judged_queries={"train": 85_000, "dev": 5_447, "test": 7_405},
        licence="cc-by-sa-4.0",
        licence_source=_MTEB,
        redistributable=True,
        hub_id=MTEB["hotpotqa"].repo,
        revision=MTEB["hotpotqa"].revision,
        mteb=MTEB["hotpotqa"],
        citation=CITATIONS["hotpotqa"],
        family="question",
        bm25=_bm25((0.6330, 0.7957), (0.6027, 0.7400)),
    ),
    CorpusSpec(
        name="fiqa",
        title="FiQA-2018",
        documents=57_638,
        judged_queries={"train": 5_500, "dev": 500, "test": 648},
        licence="unspecified",
        licence_source=_MTEB,
        redistributable=None,
        licence_note="BeIR's card says cc-by-sa-4.0",
        hub_id=MTEB["fiqa"].repo,
        revision=MTEB["fiqa"].revision,
        mteb=MTEB["fiqa"],
        citation=CITATIONS["fiqa"],
        family="question",
        drop_same_id=True,
        bm25=_bm25((0.2361, 0.5395), (0.2361, 0.5395)),
    ),
    CorpusSpec(
        name="arguana",
        title="ArguAna",
        documents=8_674,
        judged_queries={"test": 1_406},
        licence="cc-by-sa-4.0",
        licence_source=_MTEB,
        redistributable=True,
        hub_id=MTEB["arguana"].repo,
        revision=MTEB["arguana"].revision,
        mteb=MTEB["arguana"],
        citation=CITATIONS["arguana"],
        family="argument",
        drop_same_id=True,
        bm25=_bm25((0.3970, 0.9324), (0.4142, 0.9431)),
    ),
    CorpusSpec(
        name="webis-touche2020",
        title="Touché-2020",
        documents=382_545,
        judged_queries={"test": 49},
        licence="cc-by-sa-4.0",
        licence_source=_MTEB,
        redistributable=True,
        hub_id=MTEB["webis-touche2020"].repo,
        revision=MTEB["webis-touche2020"].revision,
        mteb=MTEB["webis-touche2020"],
        citation=CITATIONS["webis-touche2020"],
        family="argument",
        bm25=_bm25((0.4422, 0.5822), (0.3673, 0.5376)),
    ),
    CorpusSpec(
        name="quora",
        title="Quora Question Pairs",
        documents=522_931,
        judged_queries={"dev": 5_000, "test": 10_000},
        licence="unspecified",
        licence_source=_MTEB,
        redistributable=None,
        licence_note="BeIR's card says cc-by-sa-4.0",
        hub_id=MTEB["quora"].repo,
        revision=MTEB["quora"].revision,
        mteb=MTEB["quora"],
        citation=CITATIONS["quora"],
        family="duplicate-question",
        drop_same_id=True,
        bm25=_bm25((0.7886, 0.9733), (0.7886, 0.9733)),
    ),
    CorpusSpec(
        name="dbpedia-entity",
        title="DBpedia-Entity",
        documents=4_635_922,
        judged_queries={"dev": 67, "test": 400},
        licence="mit",
        licence_source=_MTEB,
        redistributable=True,
        licence_note="sources disagree: BeIR's card says cc-by-sa-4.0",
        hub_id=MTEB["dbpedia-entity"].repo,
        revision=MTEB["dbpedia-entity"].revision,
        mteb=MTEB["dbpedia-entity"],
        citation=CITATIONS["dbpedia-entity"],
        family="entity",
        bm25=_bm25((0.3180, 0.4682), (0.3128, 0.3981)),
    ),
    CorpusSpec(
        name="scidocs",
        title="SciDocs",
        documents=25_657,
        judged_queries={"test": 1_000},
        licence="cc-by-sa-4.0",
        licence_source=_MTEB,
        redistributable=True,
        hub_id=MTEB["scidocs"].repo,
        revision=MTEB["scidocs"].revision,
        mteb=MTEB["scidocs"],
        citation=CITATIONS["scidocs"],
        family="title",
        bm25=_bm25((0.1490, 0.3477), (0.1581, 0.3561)),
    ),
    CorpusSpec(
        name="fever",
        title="FEVER",
        documents=5_416_568,
        judged_queries={"train": 109_810, "dev": 6_666, "test": 6_666},
        licence="cc-by-nc-sa-3.0",
        licence_source=_MTEB,
        redistributable=True,
        licence_note="sources disagree: BeIR's card says cc-by-sa-4.0; under the tag, non-commercially only",
        hub_id=MTEB["fever"].repo,
        revision=MTEB["fever"].revision,
        mteb=MTEB["fever"],
        citation=CITATIONS["fever"],
        family="claim",
        drop_same_id=True,
        bm25=_bm25((0.6513, 0.9185), (0.7530, 0.9309)),
    ),
    CorpusSpec(
        name="climate-fever",
        title="Climate-FEVER",
        documents=5_416_593,
        judged_queries={"test": 1_535},
        licence="cc-by-sa-4.0",
        licence_source=_MTEB,
        redistributable=True,
        hub_id=MTEB["climate-fever"].repo,
        revision=MTEB["climate-fever"].revision,
        mteb=MTEB["climate-fever"],
        citation=CITATIONS["climate-fever"],
        family="claim",
        bm25=_bm25((0.1651, 0.4249), (0.2129, 0.4357)),
    ),
    CorpusSpec(
        name="scifact",
        title="SciFact",
        documents=5_183,
        judged_queries={"train": 809, "test": 300},
        licence="cc-by-nc-4.0",
        licence_source=_MTEB,
        redistributable=True,
        licence_note="sources disagree: its authors' LICENSE.md gives the claims as CC BY 4.0 and the abstracts as"
        " ODC-By 1.0, BeIR's card says cc-by-sa-4.0; under the tag, non-commercially only",
        hub_id="BeIR/scifact",
        revision="b3b5335604bf5ee3c4447671af975ea25143d4f5",
        qrels_hub_id="BeIR/scifact-qrels",
        qrels_revision="2938d17dc3b09882fdb8c12bbbe2e2dc0e75a029",
        mteb=MTEB["scifact"],
        citation=CITATIONS["scifact"],
        family="claim",
        bm25=_bm25((0.6789, 0.9253), (0.6647, 0.9076)),
    ),
)


def _gated(
    name: str, title: str, counts: tuple[int, int], family: str, bm25: Mapping[str, Mapping[str, float]]
) -> CorpusSpec:
    """`counts`: documents and test queries."""
    return CorpusSpec(
        name=name,
        title=title,
        documents=counts[0],
        judged_queries={"test": counts[1]},
        licence="unknown",
        licence_source="none found",
        redistributable=False,
        licence_note=_GATED,
        access="gated",
        citation=CITATIONS[name],
        family=family,
        bm25=bm25,
    )


_GATED_SPECS = (
    _gated("bioasq", "BioASQ", (14_914_603, 500), "health", _bm25((0.5225, 0.7687), (0.4646, 0.7145))),
    _gated("signal1m", "Signal-1M", (2_866_315, 97), "news", _bm25((0.3304, 0.3703), (0.3304, 0.3703))),
    _gated("trec-news", "TREC-NEWS", (594_589, 57), "news", _bm25((0.3952, 0.4469), (0.3977, 0.4216))),
    _gated("robust04", "Robust04", (528_036, 249), "news", _bm25((0.4070, 0.3746), (0.4070, 0.3746))),
)

# forum -> documents, test queries, BM25 flat (nDCG@10, Recall@100)
_FORUM_FACTS: Mapping[str, tuple[int, int, tuple[float, float]]] = {
    "android": (22_998, 699, (0.3801, 0.6829)),
    "english": (40_221, 1_570, (0.3453, 0.5757)),
    "gaming": (45_301, 1_595, (0.4822, 0.7651)),
    "gis": (37_637, 885, (0.2901, 0.6119)),
    "mathematica": (16_705, 804, (0.2015, 0.4877)),
    "physics": (38_316, 1_039, (0.3214, 0.6326)),
    "programmers": (32_176, 876, (0.2802, 0.5588)),
    "stats": (42_269, 652, (0.2711, 0.5338)),
    "tex": (68_184, 2_906, (0.2244, 0.4686)),
    "unix": (47_382, 1_072, (0.2749, 0.5417)),
    "webmasters": (17_405, 506, (0.3059, 0.5820)),
    "wordpress": (48_605, 541, (0.2483, 0.5152)),
}

FORUMS = tuple(f"cqadupstack-{forum}" for forum in _FORUM_FACTS)
"""CQADupStack's corpora; BEIR reports the mean over them."""

_FORUM_SPECS = tuple(
    CorpusSpec(
        name=f"cqadupstack-{forum}",
        title=f"CQADupStack {forum}",
        documents=documents,
        judged_queries={"test": queries},
        licence="apache-2.0",
        licence_source=_MTEB,
        redistributable=True,
        licence_note="sources disagree: BeIR's card says cc-by-sa-4.0, as Stack Exchange gives its posts",
        hub_id=MTEB[f"cqadupstack-{forum}"].repo,
        revision=MTEB[f"cqadupstack-{forum}"].revision,
        mteb=MTEB[f"cqadupstack-{forum}"],
        citation=CITATIONS["cqadupstack"],
        family="duplicate-question",
        bm25=_bm25(flat),
    )
    for forum, (documents, queries, flat) in _FORUM_FACTS.items()
)

SPECS = (*_OPEN, *_GATED_SPECS, *_FORUM_SPECS)
