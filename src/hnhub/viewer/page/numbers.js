// The numbers of the card, with plots drawn as SVG; the ledger; what two datasets have in common.

const SVG = "http://www.w3.org/2000/svg";

const draw = (name, options = {}, ...children) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(options)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

const table = (caption, head, rows) => make("div", { class: "table", tabindex: 0, role: "region", "aria-label": caption }, make("table", {}, make("caption", {}, caption),
  make("thead", {}, make("tr", {}, ...head.map((cell) => make("th", { scope: "col" }, cell)))),
  make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell, n) => (n ? make("td", { class: typeof cell === "number" ? "number" : "" }, typeof cell === "number" ? figure(cell) : cell ?? "–") : make("th", { scope: "row" }, cell))))))));

// Steps of two histograms over one axis, in shares.
const lengths = (method, facts) => {
  const sides = Object.entries(facts.words).filter(([, side]) => side.count);
  const shares = sides.map(([side, { count, histogram }]) => ({ side, width: histogram.bin_width, values: histogram.counts.map((value) => value / count) }));
  const top = Math.max(...shares.flatMap((one) => one.values));
  const right = Math.max(...shares.map((one) => one.width * one.values.length));
  const figureOf = draw("svg", { viewBox: "0 0 400 130", role: "img", "aria-label": `Words of positives and negatives of ${method}` });
  for (const { side, width, values } of shares) {
    const points = values.map((value, n) => `${n ? "L" : "M"}${(400 * n * width) / right},${(110 - (100 * value) / top).toFixed(1)}H${((400 * (n + 1) * width) / right).toFixed(1)}`);
    figureOf.append(draw("path", { d: points.join(""), class: `steps ${side}` }));
  }
  figureOf.append(draw("line", { x1: 0, x2: 400, y1: 110, y2: 110, class: "axis" }));
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const label = draw("text", { x: 400 * share, y: 126, "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle" });
    label.textContent = share === 1 ? `${figure(right)} words` : figure(right * share);
    figureOf.append(label);
  }
  return make("figure", {}, make("figcaption", {}, make("b", {}, method), " words of ", make("span", { class: "key positive" }, "positives"), " and ", make("span", { class: "key negative" }, "negatives")), figureOf);
};

const bar = (label, parts) => {
  const total = parts.reduce((sum, [, value]) => sum + value, 0) || 1;
  const figureOf = draw("svg", { viewBox: "0 0 400 16", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${parts.map(([name, value]) => `${value} ${name}`).join(", ")}` });
  let left = 0;
  for (const [name, value] of parts) {
    figureOf.append(draw("rect", { x: left, y: 0, width: (400 * value) / total, height: 16, class: name }));
    left += (400 * value) / total;
  }
  return make("figure", {}, make("figcaption", {}, make("b", {}, label), ` ${parts.map(([name, value]) => `${figure(value)} ${name}`).join(", ")}`), figureOf);
};

const ledger = (rows) => {
  const lines = rows.map(({ stage, method, reason, count, queries, examples }) => make("details", {},
    make("summary", {}, make("b", {}, `${figure(count)} ${reason}`), ` in ${stage}${method && !stage.includes(method) ? `, ${method}` : ""}, of ${figure(queries)} queries`),
    make("ul", {}, ...examples.map((one) => make("li", { dir: "auto" }, one.filter(Boolean).join(" · "))), count > examples.length ? make("li", { class: "none" }, `and ${figure(count - examples.length)} more, in ledger/`) : null)));
  return make("section", {}, make("h2", {}, "What was dropped"), ...(lines.length ? lines : [make("p", {}, "Nothing was dropped.")]));
};

const compared = ({ label, version, methods, queries }) => make("section", {}, make("h2", {}, `Beside ${label}`),
  make("p", {}, `${label} is version ${version}. ${figure(queries.both)} queries stand in both, ${figure(queries.a)} only here, ${figure(queries.b)} only there.`),
  table("Negatives of the queries that both have", ["method", "same", "only here", "only there", "queries with other negatives"], methods.map((one) => [one.method, one.same, one.a, one.b, one.queries])));

const review = ({ read, marks, methods }) => make("section", {}, make("h2", {}, "Read by a person"),
  make("p", {}, `${figure(read)} texts and queries were read: ${Object.entries(marks).map(([mark, count]) => `${count} ${MARKS[mark] ?? mark}`).join(", ")}.`),
  table("Share of false negatives, from marks on a random sample (95 % Wilson interval)", ["method", "read", "false", "share", "interval"],
    methods.map((one) => [one.method, one.read, one.false, percent(one.share), one.low === null ? "–" : `${percent(one.low)} to ${percent(one.high)}`])));

const finding = (one) => make("li", { class: one.fine === null ? "" : one.fine ? "fine" : "look" }, make("b", {}, `${one.check}: `), one.says, make("small", {}, ` ${one.source}`));

const audit = ({ encoder, methods, dataset }) => make("section", {}, make("h2", {}, "Audit"),
  make("p", {}, `Measured before training, of at most 2,000 rows a method; nearness by ${encoder ?? "shared words"}. ✓ within its threshold, ! to be looked at.`),
  ...Object.entries(methods).map(([method, { findings }]) => make("div", {}, make("h3", {}, method), make("ul", {}, ...findings.map(finding)))),
  make("h3", {}, "queries"), make("ul", {}, ...dataset.map(finding)));

const numbers = (element, data) => {
  const { stats, recipe, tokens, left_out: left, review: read, audit: audited } = data.numbers;
  const own = Object.entries(stats.methods);
  const texts = own.filter(([, facts]) => facts.words);
  const rows = Object.entries(stats.rows).flatMap(([config, splits]) => Object.entries(splits).map(([split, count]) => [config, split, count]));
  element.replaceChildren(
    ...(data.against ? [compared(data.against)] : []),
    ...(read ? [review(read)] : []),
    make("section", {}, make("h2", {}, "Rows"), table("Rows by config and split", ["config", "split", "rows"], rows), ...(left ?? []).map((one) => make("p", {}, `${figure(one.count)} ${one.what} of ${one.split} lie beyond ${one.limit} and were not looked at.`))),
    make("section", {}, make("h2", {}, "Candidates"), ...own.map(([method, { candidates }]) => bar(method, ["keep", "drop", "promote"].map((name) => [name, candidates[name] ?? 0])))),
    make("section", {}, make("h2", {}, "Texts"), ...texts.map(([method, facts]) => lengths(method, facts)),
      table("Measured of texts", ["method", "negatives", "distinct documents", "mean rank", "query words in the positive", "in a negative", "words shared with the positive", "told by length", "by style"],
        own.map(([method, facts]) => [method, facts.chosen, facts.distinct_documents || "generated", facts.mean_rank, percent(facts.overlap?.query_in_positive), percent(facts.overlap?.query_in_negative), percent(facts.overlap?.positive_negative_jaccard), facts.separability?.length_auc ?? "–", facts.separability?.style_auc ?? "–"]))),
    ...(audited ? [audit(audited)] : []),
    ledger(data.ledger),
    ...(tokens && Object.keys(tokens).length ? [make("section", {}, make("h2", {}, "Language model"), table("Asked", ["stage", "requests", "tokens read", "written"], Object.entries(tokens).map(([stage, one]) => [stage, one.requests, one.prompt, one.completion])))] : []),
    make("section", {}, make("h2", {}, "Recipe"), make("dl", { class: "recipe" }, ...Object.entries(recipe).filter(([, value]) => value !== null).flatMap(([name, value]) => [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))]))),
  );
};
