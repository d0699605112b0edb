// One query in full: its positives, and the candidates of every method side by side.

// The members of a candidate's list, as viewer/records.py has them.
const [DOCUMENT, TEXT, RANK, SCORE, VERDICT, REASON, POSITION, LIKE, COVER, PROVENANCE, SEED, DETAIL, JUDGE] = Array(13).keys();

const figure = (value, digits = 4) => (value === null || value === undefined ? "–" : Number(value.toFixed(digits)).toLocaleString("en"));
const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(100 * value)} %`);

const queryTarget = (query) => ({ query_id: query.i, about: "query", document_id: null, text: null });
const positiveOf = (data, query, one) => ({
  query_id: query.i, about: "positive", document_id: one[0], text: one[0] === null ? data.texts[one[1]] ?? null : null,
});
const negativeOf = (data, query, one) => ({
  query_id: query.i, about: "negative", document_id: one[DOCUMENT], text: one[DOCUMENT] === null ? data.texts[one[TEXT]] ?? null : null,
});

const button = (label, title, pressed, act) => make("button", { type: "button", title, "aria-pressed": pressed, on: { click: act } }, label);

// `page` has data, marks, view (which methods and candidates are to be seen), pick(n) and mark(target, mark).
class Detail {
  constructor(element, page) { Object.assign(this, { element, page, query: null, cards: [], at: 0 }); }

  show(query, keep = false) {
    this.query = query;
    this.cards = [];
    if (!query) { this.element.replaceChildren(make("p", { class: "none" }, "No query fits the filters.")); return; }
    const { data, marks, view } = this.page;
    const text = query.q === null ? null : data.texts[query.q];
    const common = new Set(data.common);
    const asked = [...new Set(words(text ?? "").map((one) => one.word))].filter((word) => !common.has(word));
    const shared = new Set(query.p.flatMap((one) => (one[1] === null ? [] : [...runs(data.texts[one[1]])])));
    const parts = [this.head(query, text)];
    const positives = query.p.map((one, n) => this.positive(query, one, n, asked));
    const columns = view.methods(query).map((method) => this.column(query, method, asked, shared));
    const beside = make("div", { class: "beside" },
      make("section", { class: "positives", "aria-label": "Positives" }, make("h3", {}, positives.length > 1 ? "positives" : "positive"), ...positives), make("div", { class: "columns" }, ...columns));
    beside.style.setProperty("--methods", `${Math.max(1, columns.length)}fr`);
    parts.push(beside);
    const notes = (query.l ?? []).map(([method, reason, detail]) => `${method ?? "all methods"}: ${reason}${detail ? ` (${detail})` : ""}`);
    if (notes.length) parts.push(make("p", { class: "lost" }, `Ledger: ${notes.join("; ")}`));
    const top = keep ? this.element.scrollTop : 0;
    this.element.replaceChildren(...parts);
    this.element.scrollTop = top;
    // Of a sample the drawn negative is what is to be marked.
    this.choose(keep ? this.at : view.sample ? this.cards.findIndex((card) => card.target.about === "negative") : 0, true);
  }

  head(query, text) {
    const { marks, data } = this.page;
    const target = queryTarget(query);
    const marked = marks.get(target);
    return make("header", { class: marked?.mark ? "marked" : "" },
      make("p", { class: "id" }, `${query.i} · ${query.s}${query.o ? ` · only in ${query.o === "a" ? "this dataset" : data.against.label}` : ""}`),
      make("h2", { dir: "auto", lang: data.corpus.language }, text ?? "(the query is not published)"),
      make("div", { class: "acts" }, button("bad query", "b", marked?.mark === "bad_query", () => this.page.mark(target, "bad_query")), this.note(target, marked)));
  }

  note(target, marked) {
    const write = () => {
      const note = prompt("Note", marked?.note ?? "");
      if (note !== null) this.page.write(target, note);
    };
    return make("span", {}, button(marked?.note ? "note ✎" : "note", "n", Boolean(marked?.note), write), marked?.note ? make("q", { dir: "auto" }, marked.note) : null);
  }

  positive(query, one, n, asked) {
    const { data, marks } = this.page;
    const target = positiveOf(data, query, one);
    const marked = marks.get(target);
    const scores = Object.entries(one[2]).filter(([, [rank, score]]) => rank !== null || score !== null).map(([method, [rank, score]]) => `${method}: ${rank ? `rank ${rank}` : "not retrieved"}${score === null ? "" : `, score ${figure(score)}`}`);
    const label = query.p.length > 1 ? `Positive ${n + 1} of ${query.p.length}` : "Positive";
    return this.card("positive", label, [one[0] ?? "generated", ...scores], target, marked, [["good", "good", "g"], ["bad_positive", "bad positive", "x"]],
      paragraph(one[1] === null ? null : data.texts[one[1]], asked, null, data.corpus.language), null);
  }

  column(query, method, asked, shared) {
    const { data, marks, view } = this.page;
    const found = view.candidates(query, method);
    const cards = found.map((one) => {
      const target = negativeOf(data, query, one);
      const position = one[POSITION];
      const facts = [one[DOCUMENT] ?? "generated", one[RANK] !== null && one[DOCUMENT] !== null ? `rank ${one[RANK]}` : null, one[SCORE] === null ? null : `score ${figure(one[SCORE])}`];
      const label = position === null ? `${one[VERDICT]}${one[REASON] ? `: ${one[REASON]}` : ", not chosen"}` : `${position}`;
      const kind = position !== null ? "negative" : one[VERDICT] === "keep" ? "beside" : one[VERDICT];
      const card = this.card(kind, label, facts, target, marks.get(target),
        [["good", "good", "g"], ["false_negative", "false", "f"], ["positive", "positive", "p"]],
        paragraph(one[TEXT] === null ? null : data.texts[one[TEXT]], asked, shared, data.corpus.language), this.why(one));
      card.dataset.position = position ?? "";
      card.dataset.method = method;
      return card;
    });
    const why = (query.l ?? []).find(([of]) => of === method);
    const row = (query.n[method] ?? []).some((one) => one[POSITION] !== null);
    const none = row ? "nothing of it fits the filters" : `no row for this query${why ? `: ${why[1]}${why[2] ? ` (${why[2]})` : ""}` : ""}`;
    return make("section", { class: "column", "aria-label": method }, make("h3", { title: data.says[method] }, method), ...(cards.length ? cards : [make("p", { class: "none" }, none)]));
  }

  why(one) {
    const provenance = one[PROVENANCE] === null ? {} : this.page.data.provenance[one[PROVENANCE]];
    const facts = {
      verdict: one[VERDICT], reason: one[REASON], detail: one[DETAIL], "judge's score": one[JUDGE] === null ? null : figure(one[JUDGE]),
      "words shared with the positive": percent(one[LIKE]), "query words in it": percent(one[COVER]), ...provenance, seed: one[SEED],
    };
    const rows = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined).flatMap(([name, value]) => [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, String(value))]);
    return make("details", { class: "why" }, make("summary", {}, "Why, and by whom"), make("dl", {}, ...rows));
  }

  card(kind, label, facts, target, marked, choices, text, more) {
    const at = this.cards.length;
    const acts = choices.map(([mark, word, key]) => button(word, key, marked?.mark === mark, () => { this.choose(at, true); this.page.mark(target, mark); }));
    const element = make("section", { class: `card ${kind}${marked?.mark ? ` is-${marked.mark}` : ""}`, "aria-label": label, on: { click: () => this.choose(at, true) } },
      make("header", {}, make("b", {}, label), make("span", {}, facts.filter(Boolean).join(" · "))), text, make("div", { class: "acts" }, ...acts, this.note(target, marked)), more);
    this.cards.push({ element, target, kind });
    return element;
  }

  choose(at, still = false) {
    this.cards[this.at]?.element.classList.remove("chosen");
    this.at = Math.max(0, Math.min(at, this.cards.length - 1));
    const card = this.cards[this.at]?.element;
    card?.classList.add("chosen");
    if (!still && this.at > 0) card?.scrollIntoView({ block: "nearest" });
  }

  // The negative at a position, of the chosen text's method or else of the first that has one; 0 is the positive.
  number(position) {
    if (position === 0) { this.choose(0); this.element.scrollTop = 0; return; }
    const method = this.cards[this.at]?.element.dataset.method;
    const fits = (card, own) => card.element.dataset.position === String(position) && (!own || card.element.dataset.method === method);
    const own = this.cards.findIndex((card) => fits(card, method));
    if (own >= 0) this.choose(own);
  }

  get target() { return this.cards[this.at]?.target; }
}
