"""BibTeX of the datasets behind the catalog, by corpus name; BEIR's own stands in `BEIR`."""

from collections.abc import Mapping

__all__ = ["BEIR", "CITATIONS"]

BEIR = r"""@inproceedings{thakur2021beir,
  title = {{BEIR}: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models},
  author = {Nandan Thakur and Nils Reimers and Andreas R{\"u}ckl{\'e} and Abhishek Srivastava and Iryna Gurevych},
  booktitle = {Thirty-fifth Conference on Neural Information Processing Systems Datasets and Benchmarks Track (Round 2)},
  year = {2021},
  url = {https://openreview.net/forum?id=wCu6T5xFjeJ}
}"""

CITATIONS: Mapping[str, str] = {
    "arguana": r"""@inproceedings{wachsmuth2018retrieval,
  title = {Retrieval of the Best Counterargument without Prior Topic Knowledge},
  author = {Henning Wachsmuth and Shahbaz Syed and Benno Stein},
  booktitle = {Proceedings of the 56th Annual Meeting of the Association for Computational Linguistics (Volume 1: Long Papers)},
  pages = {241--251},
  year = {2018}
}""",
    "bioasq": r"""@article{tsatsaronis2015bioasq,
  title = {An overview of the {BIOASQ} large-scale biomedical semantic indexing and question answering competition},
  author = {George Tsatsaronis and Georgios Balikas and Prodromos Malakasiotis and others},
  journal = {BMC Bioinformatics},
  volume = {16},
  pages = {138},
  year = {2015}
}""",
    "climate-fever": r"""@article{diggelmann2020climatefever,
  title = {{CLIMATE-FEVER}: A Dataset for Verification of Real-World Climate Claims},
  author = {Thomas Diggelmann and Jordan Boyd-Graber and Jannis Bulian and Massimiliano Ciaramita and Markus Leippold},
  journal = {arXiv preprint arXiv:2012.00614},
  year = {2020}
}""",
    "cqadupstack": r"""@inproceedings{hoogeveen2015cqadupstack,
  title = {{CQADupStack}: A Benchmark Data Set for Community Question-Answering Research},
  author = {Doris Hoogeveen and Karin M. Verspoor and Timothy Baldwin},
  booktitle = {Proceedings of the 20th Australasian Document Computing Symposium (ADCS)},
  year = {2015},
  doi = {10.1145/2838931.2838934}
}""",
    "dbpedia-entity": r"""@inproceedings{hasibi2017dbpedia,
  title = {{DBpedia-Entity} v2: A Test Collection for Entity Search},
  author = {Faegheh Hasibi and Fedor Nikolaev and Chenyan Xiong and Krisztian Balog and Svein Erik Bratsberg and Alexander Kotov and Jamie Callan},
  booktitle = {Proceedings of the 40th International ACM SIGIR Conference on Research and Development in Information Retrieval},
  year = {2017}
}""",
    "fever": r"""@inproceedings{thorne2018fever,
  title = {{FEVER}: a Large-scale Dataset for Fact Extraction and {VER}ification},
  author = {James Thorne and Andreas Vlachos and Christos Christodoulopoulos and Arpit Mittal},
  booktitle = {Proceedings of the 2018 Conference of the North American Chapter of the Association for Computational Linguistics: Human Language Technologies, Volume 1 (Long Papers)},
  pages = {809--819},
  year = {2018},
  doi = {10.18653/v1/N18-1074}
}""",
    "fiqa": r"""@inproceedings{maia2018fiqa,
  title = {{WWW'18} Open Challenge: Financial Opinion Mining and Question Answering},
  author = {Macedo Maia and Siegfried Handschuh and Andr{\'e} Freitas and Brian Davis and Ross McDermott and Manel Zarrouk and Alexandra Balahur},
  booktitle = {Companion Proceedings of The Web Conference 2018},
  year = {2018}
}""",
    "hotpotqa": r"""@inproceedings{yang2018hotpotqa,
  title = {{HotpotQA}: A Dataset for Diverse, Explainable Multi-hop Question Answering},
  author = {Zhilin Yang and Peng Qi and Saizheng Zhang and Yoshua Bengio and William Cohen and Ruslan Salakhutdinov and Christopher D. Manning},
  booktitle = {Proceedings of the 2018 Conference on Empirical Methods in Natural Language Processing},
  pages = {2369--2380},
  year = {2018},
  doi = {10.18653/v1/D18-1259}
}""",
    "msmarco": r"""@article{bajaj2016msmarco,
  title = {{MS MARCO}: A Human Generated MAchine Reading COmprehension Dataset},
  author = {Payal Bajaj and Daniel Campos and Nick Craswell and Li Deng and Jianfeng Gao and Xiaodong Liu and Rangan Majumder and Andrew McNamara and Bhaskar Mitra and Tri Nguyen and Mir Rosenberg and Xia Song and Alina Stoica and Saurabh Tiwary and Tong Wang},
  journal = {arXiv preprint arXiv:1611.09268},
  year = {2016}
}""",
    "nfcorpus": r"""@inproceedings{boteva2016nfcorpus,
  title = {A Full-Text Learning to Rank Dataset for Medical Information Retrieval},
  author = {Vera Boteva and Demian Gholipour and Artem Sokolov and Stefan Riezler},
  booktitle = {Proceedings of the European Conference on Information Retrieval (ECIR)},
  year = {2016}
}""",
    "nq": r"""@article{kwiatkowski2019nq,
  title = {Natural Questions: a Benchmark for Question Answering Research},
  author = {Tom Kwiatkowski and Jennimaria Palomaki and Olivia Redfield and Michael Collins and Ankur Parikh and Chris Alberti and Danielle Epstein and Illia Polosukhin and Matthew Kelcey and Jacob Devlin and Kenton Lee and Kristina N. Toutanova and Llion Jones and Ming-Wei Chang and Andrew Dai and Jakob Uszkoreit and Quoc Le and Slav Petrov},
  journal = {Transactions of the Association for Computational Linguistics},
  volume = {7},
  year = {2019}
}""",
    "pydocs": r"""@misc{pythonreference,
  title = {The Python Language Reference and The Python Standard Library},
  author = {{Python Software Foundation}},
  url = {https://docs.python.org/3/}
}""",
    "quora": r"""@misc{iyer2017quora,
  title = {First Quora Dataset Release: Question Pairs},
  author = {Shankar Iyer and Nikhil Dandekar and Korn{\'e}l Csernai},
  year = {2017}
}""",
    "robust04": r"""@inproceedings{voorhees2004robust,
  title = {Overview of the {TREC} 2004 Robust Retrieval Track},
  author = {Ellen M. Voorhees},
  booktitle = {Proceedings of the Thirteenth Text REtrieval Conference (TREC)},
  year = {2004}
}""",
    "scidocs": r"""@inproceedings{cohan2020specter,
  title = {{SPECTER}: Document-level Representation Learning using Citation-informed Transformers},
  author = {Arman Cohan and Sergey Feldman and Iz Beltagy and Doug Downey and Daniel S. Weld},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  pages = {2270--2282},
  year = {2020},
  doi = {10.18653/v1/2020.acl-main.207}
}""",
    "scifact": r"""@inproceedings{wadden2020scifact,
  title = {Fact or Fiction: Verifying Scientific Claims},
  author = {David Wadden and Shanchuan Lin and Kyle Lo and Lucy Lu Wang and Madeleine van Zuylen and Arman Cohan and Hannaneh Hajishirzi},
  booktitle = {Proceedings of the 2020 Conference on Empirical Methods in Natural Language Processing (EMNLP)},
  pages = {7534--7550},
  year = {2020},
  doi = {10.18653/v1/2020.emnlp-main.609}
}""",
    "signal1m": r"""@inproceedings{suarez2018signal,
  title = {A Data Collection for Evaluating the Retrieval of Related Tweets to News Articles},
  author = {Axel Suarez and Dyaa Albakour and David Corney and Miguel Martinez and Jos{\'e} Esquivel},
  booktitle = {Advances in Information Retrieval (ECIR)},
  year = {2018}
}""",
    "trec-covid": r"""@article{voorhees2020treccovid,
  title = {{TREC-COVID}: Constructing a Pandemic Information Retrieval Test Collection},
  author = {Ellen Voorhees and Tasmeer Alam and Steven Bedrick and Dina Demner-Fushman and William R. Hersh and Kyle Lo and Kirk Roberts and Ian Soboroff and Lucy Lu Wang},
  journal = {arXiv preprint arXiv:2005.04474},
  year = {2020}
}""",
    "trec-news": r"""@inproceedings{soboroff2018news,
  title = {{TREC} 2018 News Track Overview},
  author = {Ian Soboroff and Shudong Huang and Donna Harman},
  booktitle = {Proceedings of the Twenty-Seventh Text REtrieval Conference (TREC)},
  year = {2018}
}""",
    "webis-touche2020": r"""@inproceedings{bondarenko2020touche,
  title = {Overview of {Touch{\'e}} 2020: Argument Retrieval},
  author = {Alexander Bondarenko and Maik Fr{\"o}be and Meriem Beloucif and Lukas Gienapp and Yamen Ajjour and Alexander Panchenko and Christian Biemann and Benno Stein and Henning Wachsmuth and Martin Potthast and Matthias Hagen},
  booktitle = {Working Notes of CLEF},
  year = {2020}
}""",
}
