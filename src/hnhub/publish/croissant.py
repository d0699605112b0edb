"""croissant.json: the dataset for machines (Croissant 1.0 with the responsible-AI vocabulary), rendered from the card's facts."""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from hnhub.publish.card import citation, config_schema
from hnhub.publish.licences import flags
from hnhub.records import METHODS

__all__ = ["render_croissant"]

# The context that the specification prescribes, word for word.
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "String": "sc:Text",
    "Int8": "sc:Integer",
    "Int32": "sc:Integer",
    "Int64": "sc:Integer",
    "Float64": "sc:Float",
}


def render_croissant(facts: Mapping[str, Any]) -> str:
    """The file's text. Every Parquet file stands in it with its hash, and every shard's rows as a record set."""
    corpus = facts["corpus"]
    files = [(config, path, sha256) for config, path, sha256 in _files(facts)]
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": facts["name"],
        "description": f"Hard negatives for training dense retrievers on {corpus['title']}: {', '.join(facts['methods'])}.",
        "version": facts["version"],
        "license": corpus["licence"],
        "keywords": ["hard negatives", "dense retrieval", "sentence-transformers"],
        "isLiveDataset": False,
        **({"inLanguage": corpus["language"]} if corpus["language"] else {}),
        **({"url": f"https://huggingface.co/datasets/{facts['repo']}"} if facts["repo"] else {}),
        **({"identifier": f"https://doi.org/{facts['doi']}"} if facts.get("doi") else {}),
        "citeAs": citation(facts),
        **({"citation": corpus["citation"]} if corpus["citation"] else {}),
        **({"isBasedOn": f"https://huggingface.co/datasets/{corpus['hub_id']}"} if corpus["hub_id"] else {}),
        **_responsible_ai(facts),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": path,
                "name": path,
                "contentUrl": path,
                "encodingFormat": "application/x-parquet",
                "sha256": sha256,
            }
            for _, path, sha256 in files
        ],
        "recordSet": [_record_set(config, path, facts) for config, path, _ in files],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _files(facts: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (config, path, sha256)
        for config, splits in facts["files"].items()
        for entry in splits.values()
        for path, sha256 in entry["files"].items()
    ]


def _record_set(config: str, path: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    name = path.removeprefix("data/").removesuffix(".parquet")
    columns = config_schema(config, facts["recipe"]["negatives"], scores="scores" in facts)
    fields = [_field(name, path, column, kind) for column, kind in columns.items()]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _field(record_set: str, path: str, column: str, kind: pl.DataType) -> dict[str, Any]:
    field: dict[str, Any] = {"@type": "cr:Field", "@id": f"{record_set}/{column}", "name": column}
    source = {"fileObject": {"@id": path}, "extract": {"column": column}}
    if isinstance(kind, pl.Struct):
        return field | {
            "subField": [
                {
                    "@type": "cr:Field",
                    "@id": f"{record_set}/{column}/{part.name}",
                    "name": part.name,
                    "dataType": _TYPES[str(part.dtype)],
                    "source": source | {"transform": {"jsonPath": part.name}},
                }
                for part in kind.fields
            ]
        }
    if isinstance(kind, pl.List):
        return field | {"dataType": _TYPES[str(kind.inner)], "repeated": True, "source": source}
    return field | {"dataType": _TYPES[str(kind)], "source": source}


def _responsible_ai(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The RAI fields. What nobody looked into is said to be so."""
    models = sorted({entry["model"] for entries in facts["provenance"].values() for entry in entries if entry["model"]})
    written = [method for method in facts["methods"] if METHODS[method].written]
    mined = [method for method in facts["methods"] if method not in written]
    by_model = [
        *(["the queries"] if facts["recipe"]["queries_from"] == "llm" else []),
        *(f"the negatives of {m}" for m in written),
    ]
    collection = f"Passages are taken from {facts['corpus']['title']} as published. " + (
        f"Written by a language model: {', '.join(by_model)}. " if by_model else "No text was written by a model. "
    )
    if mined:
        collection += f"Negatives mined from the corpus: {', '.join(mined)}."
    return {
        "rai:dataCollection": collection.strip(),
        "rai:dataCollectionType": ["Synthetic data", "Secondary data analysis"]
        if by_model
        else ["Secondary data analysis"],
        "rai:hasSyntheticData": bool(by_model),
        "rai:machineAnnotationTools": models,
        "rai:dataAnnotationProtocol": "Negatives are labelled by how they were made, not by people; the scored configs give rank, "
        "score, verdict and reason of every candidate.",
        "rai:dataPreprocessingProtocol": "Title and text joined by one space. Dropped queries and candidates are listed with "
        "their reasons in ledger/.",
        "rai:dataUseCases": "Training and studying dense retrievers. Not a benchmark, and no source of facts.",
        "rai:dataLimitations": " ".join(
            [
                "Judgements of the source are incomplete, so that negatives may be relevant.",
                *(["Generated text was not read by a person and may state falsehoods."] if by_model else []),
                *flags(facts["corpus"]["licence"], facts["corpus"]["redistributable"]),
            ]
        ),
        "rai:dataBiases": "Those of the source, and of the models named above; not studied here.",
        "rai:personalSensitiveInformation": "Not looked for; the passages are those of the public source.",
        "rai:dataReleaseMaintenancePlan": "A new version has a new tag; manifest.json holds the hash of every file.",
    }
