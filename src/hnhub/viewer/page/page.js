// The page: unpack the data, keep filters and the chosen query, listen to keys.

const at = (id) => document.getElementById(id);

const unpack = async (text) => {
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
};

const best = (query, view, value) => Math.max(-Infinity, ...Object.keys(query.n).flatMap((method) => (view.off.has(method) ? [] : query.n[method].filter((one) => one[POSITION] !== null).map((one) => value(one, method, query) ?? -Infinity))));

// How near a negative's score comes to the positive's, by the same scorer; without one, by the query's words in it.
const hardness = (one, method, query) => {
  const positive = query.p[0]?.[2][method]?.[1];
  if (one[SCORE] !== null && positive) return 1 + (one[SCORE] - positive) / Math.abs(positive);
  return one[COVER];
};

const SORTS = {
  "published order": null,
  "hardest": (query, page) => best(query, page.view, hardness),
  "most similar to the positive": (query, page) => best(query, page.view, (one) => one[LIKE]),
  "longest": (query, page) => best(query, page.view, (one) => (one[TEXT] === null ? 0 : page.data.texts[one[TEXT]].length)),
  "judge's doubt": (query, page) => best(query, page.view, (one) => one[JUDGE] ?? (one[REASON] === "judge_failed" ? Infinity : null)),
  "notes and marks first": (query, page) => page.marked(query).length,
};

const SHOWS = {
  "negatives": (one) => one[POSITION] !== null,
  "all candidates": () => true,
  "kept, not chosen": (one) => one[VERDICT] === "keep" && one[POSITION] === null,
  "dropped": (one) => one[VERDICT] === "drop",
  "promoted": (one) => one[VERDICT] === "promote",
};

class View {
  constructor(page) { Object.assign(this, { page, off: new Set(), show: SHOWS.negatives, reason: "", low: null, high: null, sample: null }); }

  methods(query) { return this.page.data.methods.filter((method) => !this.off.has(method) && (!this.sample || this.sample.get(query)?.has(method))); }

  fits(one) {
    return this.show(one) && (!this.reason || one[REASON] === this.reason) && (this.low === null || (one[SCORE] !== null && one[SCORE] >= this.low)) && (this.high === null || (one[SCORE] !== null && one[SCORE] <= this.high));
  }

  candidates(query, method) {
    const positions = this.sample?.get(query)?.get(method);
    return (query.n[method] ?? []).filter((one) => this.fits(one) && (!positions || positions.has(one[POSITION])));
  }

  get narrow() { return this.show !== SHOWS.negatives || Boolean(this.reason) || this.low !== null || this.high !== null || this.off.size > 0; }
}

class Page {
  constructor(data) {
    this.data = data;
    this.marks = new Marks(data, (state) => this.told(state));
    this.view = new View(this);
    this.order = data.queries;
    if (data.shown.sample) this.drawn();
    this.lower = data.texts.map(() => null);
    this.detail = new Detail(at("detail"), this);
    this.list = new List(at("list"), at("space"), (line, query) => this.line(line, query), (query) => this.detail.show(query));
    this.fields();
    at("what").textContent = this.what();
    numbers(at("numbers"), data);
    this.told();
    this.filter();
  }

  // Of a drawn sample only the drawn negatives are to be seen, in the order drawn.
  drawn() {
    this.view.sample = new Map();
    const rows = Object.entries(this.data.sampled).flatMap(([method, list]) => list.map(([n, position], place) => ({ method, query: this.data.queries[n], position, place })));
    rows.sort((a, b) => a.place - b.place);
    for (const { method, query, position } of rows) {
      const methods = this.view.sample.get(query) ?? this.view.sample.set(query, new Map()).get(query);
      methods.set(method, (methods.get(method) ?? new Set()).add(position));
    }
    this.order = [...this.view.sample.keys()];
  }

  what() {
    const { shown, version, hnhub, sampled, against } = this.data;
    const part = shown.sample
      ? `a random sample of ${Object.values(sampled).map((rows) => rows.length).join(" and ")} negatives (seed ${shown.seed})`
      : shown.queries < shown.of ? `${figure(shown.queries)} of ${figure(shown.of)} queries, drawn with seed ${shown.seed}` : `all ${figure(shown.of)} queries`;
    return `Version ${version}, hnhub ${hnhub} · ${part}${against ? ` · beside ${against.label}` : ""}`;
  }

  line(element, query) {
    const text = query.q === null ? query.i : this.data.texts[query.q];
    const count = this.marked(query).length;
    const chips = this.view.methods(query).map((method) => `${method} ${this.view.candidates(query, method).length}`);
    element.append(make("span", { class: "text", dir: "auto" }, text), make("span", { class: "under" }, chips.join(" · "), count ? make("b", {}, ` ● ${count} marked`) : null));
  }

  marked(query) {
    const targets = [queryTarget(query), ...query.p.map((one) => positiveOf(this.data, query, one)), ...Object.values(query.n).flat().map((one) => negativeOf(this.data, query, one))];
    return [...new Set(targets.map(Marks.key))].filter((key) => this.marks.byKey.has(key));
  }

  fields() {
    const { data, view } = this;
    const options = (id, names) => at(id).replaceChildren(...names.map(([value, label]) => make("option", { value }, label)));
    options("sort", Object.keys(SORTS).map((name) => [name, data.shown.sample && !SORTS[name] ? "as drawn" : name]));
    options("split", [["", "all"], ...[...new Set(data.queries.map((query) => query.s))].map((name) => [name, name])]);
    options("verdict", Object.keys(SHOWS).map((name) => [name, name]));
    const reasons = new Set(data.queries.flatMap((query) => Object.values(query.n).flat().map((one) => one[REASON])));
    options("reason", [["", "any"], ...[...reasons].filter(Boolean).sort().map((name) => [name, name])]);
    options("marked", [["", "any"], ["no", "none yet"], ["yes", "marked"], ...Object.entries(MARKS)]);
    at("methods").replaceChildren(...data.methods.map((method) => {
      const box = make("input", { type: "checkbox", checked: true, on: { change: () => view.off[box.checked ? "delete" : "add"](method) } });
      return make("label", { title: data.says[method] }, box, ` ${method}`);
    }));
    let wait;
    const form = at("filters");
    for (const event of ["input", "change"]) form.addEventListener(event, () => { clearTimeout(wait); wait = setTimeout(() => this.filter(), 60); });
    form.addEventListener("reset", () => { view.off.clear(); setTimeout(() => this.filter()); });
    form.addEventListener("submit", (event) => event.preventDefault());
    const open = (shown) => { at("fields").hidden = !shown; at("more").setAttribute("aria-expanded", shown); };
    at("more").addEventListener("click", () => open(at("fields").hidden));
    open(matchMedia("(min-width: 60rem)").matches);
  }

  filter() {
    const { view, data } = this;
    const number = (id) => (at(id).value === "" ? null : Number(at(id).value));
    // Asking for a reason is asking for what was not chosen.
    if (at("reason").value && at("verdict").value === "negatives") at("verdict").value = "all candidates";
    Object.assign(view, { show: SHOWS[at("verdict").value], reason: at("reason").value, low: number("low"), high: number("high") });
    const split = at("split").value, marked = at("marked").value, sort = SORTS[at("sort").value];
    const wanted = at("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const hits = wanted.map((word) => data.texts.map((text, n) => (this.lower[n] ??= text.toLowerCase()).includes(word)));
    const has = (query) => hits.every((hit, n) => (query.q !== null && hit[query.q]) || query.i.toLowerCase() === wanted[n] || query.p.some((one) => one[1] !== null && hit[one[1]])
      || view.methods(query).some((method) => view.candidates(query, method).some((one) => (one[TEXT] !== null && hit[one[TEXT]]) || one[DOCUMENT]?.toLowerCase() === wanted[n])));
    const is = (query) => {
      const keys = this.marked(query);
      return marked === "no" ? !keys.length : marked === "yes" ? keys.length : keys.some((key) => this.marks.byKey.get(key).mark === marked);
    };
    let found = this.order.filter((query) => (!split || query.s === split) && (!wanted.length || has(query)) && (!marked || is(query))
      && (!view.narrow || view.methods(query).some((method) => view.candidates(query, method).length)));
    if (sort) {
      const values = new Map(found.map((query) => [query, sort(query, this)]));
      found = found.toSorted((a, b) => (values.get(b) === values.get(a) ? 0 : values.get(b) - values.get(a)));
    }
    // Another order is looked at from its beginning, a narrower choice from where one was.
    const before = this.sorted === at("sort").value ? found.indexOf(this.detail.query) : 0;
    this.sorted = at("sort").value;
    at("count").textContent = found.length === this.order.length ? `${figure(found.length)} queries` : `${figure(found.length)} of ${figure(this.order.length)} queries`;
    this.list.set(found, Math.max(0, before));
  }

  mark(target, mark) {
    if (!target) return;
    this.marks.set(target, this.marks.get(target)?.mark === mark ? null : mark);
    this.again();
  }

  write(target, note) { this.marks.set(target, undefined, note); this.again(); }

  again() { this.list.again(); this.detail.show(this.detail.query, true); }

  told(state) {
    const counts = {};
    for (const { mark } of this.marks.byKey.values()) if (mark) counts[mark] = (counts[mark] ?? 0) + 1;
    const parts = Object.entries(MARKS).filter(([mark]) => counts[mark]).map(([mark, word]) => `${counts[mark]} ${word}`);
    at("marks-state").textContent = `${parts.length ? `Marked: ${parts.join(", ")}` : "Nothing is marked yet"}${state ? ` · ${state}` : ""}`;
    at("save").hidden = Boolean(this.data.served);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || at("help").open) return;
    const field = event.target.closest("input, select, textarea");
    if (field) { if (event.key === "Escape") field.blur(); return; }
    const { list, detail } = this;
    const acts = {
      j: () => list.go(list.at + 1), k: () => list.go(list.at - 1), ArrowLeft: () => detail.choose(detail.at - 1), ArrowRight: () => detail.choose(detail.at + 1),
      g: () => this.mark(detail.target, "good"), f: () => this.only("negative", "false_negative"), p: () => this.only("negative", "positive"), x: () => this.only("positive", "bad_positive"),
      b: () => detail.query && this.mark(queryTarget(detail.query), "bad_query"), u: () => detail.target && (this.marks.set(detail.target, null), this.again()),
      n: () => detail.cards[detail.at]?.element.querySelector("button[title=n]").click(), "/": () => { show("rows"); at("search").focus(); }, "?": () => at("help").showModal(),
    };
    if (event.target === at("list")) Object.assign(acts, { ArrowDown: acts.j, ArrowUp: acts.k, Home: () => list.go(0), End: () => list.go(list.items.length - 1), PageDown: () => list.go(list.at + 8), PageUp: () => list.go(list.at - 8) });
    const act = acts[event.key] ?? (/^[0-9]$/.test(event.key) ? () => detail.number(Number(event.key)) : null);
    if (act) { event.preventDefault(); act(); }
  }

  only(about, mark) { if (this.detail.target?.about === about) this.mark(this.detail.target, mark); }
}

const show = (name) => {
  for (const one of ["rows", "numbers"]) { at(one).hidden = one !== name; at(`show-${one}`).setAttribute("aria-pressed", one === name); }
};

const start = async () => {
  const started = performance.now();
  const holder = at("data");
  const page = new Page(await unpack(holder.textContent.trim()));
  holder.remove();
  at("show-rows").addEventListener("click", () => show("rows"));
  at("show-numbers").addEventListener("click", () => show("numbers"));
  at("show-help").addEventListener("click", () => at("help").showModal());
  at("save").addEventListener("click", () => page.marks.download());
  document.addEventListener("keydown", (event) => page.key(event));
  document.documentElement.dataset.opened = Math.round(performance.now() - started);
};

start().catch((error) => { at("what").textContent = `The page can't be opened: ${error.message}`; });
