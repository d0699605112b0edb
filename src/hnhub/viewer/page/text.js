// Elements made without markup: whatever a corpus says goes into text nodes and nowhere else.

const make = (name, options = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("aria-")) { element.setAttribute(key, String(value)); continue; }
    if (value === false) continue;
    if (key === "class") element.className = value;
    else if (key === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

// The same words as viewer/words.py: runs of letters and digits, and single characters of scripts without spaces.
const WORD = /[぀-ヿ㐀-鿿豈-﫿]|(?:(?![぀-ヿ㐀-鿿豈-﫿])[\p{L}\p{N}_])+/gu;

const words = (text) => Array.from(text.matchAll(WORD), (found) => ({ word: found[0].toLowerCase(), at: found.index, end: found.index + found[0].length }));

// One word is an inflection of the other: boil, boils, boiling.
const alike = (a, b) => {
  if (a === b) return true;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= 4 && long.length - short.length <= 3 && long.startsWith(short);
};

const RUN = 6; // words in a row that both have: less is chance

const runs = (text) => {
  const list = words(text);
  const found = new Set();
  for (let at = 0; at + RUN <= list.length; at++) found.add(list.slice(at, at + RUN).map((one) => one.word).join(" "));
  return found;
};

// A paragraph with the query's words marked, and what it shares with the positive word for word.
const paragraph = (text, asked, shared, language) => {
  if (text === null || text === undefined) return make("p", { class: "none" }, "(the text is not published)");
  const found = words(text);
  const same = new Set();
  if (shared && shared.size) {
    for (let at = 0; at + RUN <= found.length; at++) {
      if (shared.has(found.slice(at, at + RUN).map((one) => one.word).join(" "))) for (let k = at; k < at + RUN; k++) same.add(k);
    }
  }
  const element = make("p", { dir: "auto", lang: language });
  let done = 0;
  const plain = (end) => { if (end > done) element.append(text.slice(done, end)); done = end; };
  const inner = (from, to) => {
    const parts = [];
    let at = found[from].at;
    for (let k = from; k <= to; k++) {
      if (!asked.some((word) => alike(word, found[k].word))) continue;
      if (found[k].at > at) parts.push(text.slice(at, found[k].at));
      parts.push(make("mark", { class: "asked" }, text.slice(found[k].at, found[k].end)));
      at = found[k].end;
    }
    if (found[to].end > at) parts.push(text.slice(at, found[to].end));
    return parts;
  };
  for (let k = 0; k < found.length; k++) {
    let last = k;
    if (same.has(k)) while (same.has(last + 1)) last++;
    if (!same.has(k) && !asked.some((word) => alike(word, found[k].word))) continue;
    plain(found[k].at);
    if (same.has(k)) element.append(make("mark", { class: "same", title: "stands in the positive too" }, ...inner(k, last)));
    else element.append(...inner(k, k));
    done = found[last].end;
    k = last;
  }
  plain(text.length);
  return element;
};
