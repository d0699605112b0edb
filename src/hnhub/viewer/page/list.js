// The list of queries: only the lines in sight are in the document.

const LINE = 76; // pixels, as --line in page.css

class List {
  constructor(element, space, write, choose) {
    Object.assign(this, { element, space, write, choose, items: [], at: 0, lines: new Map() });
    element.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(element);
  }

  set(items, at) {
    this.items = items;
    this.space.style.height = `${items.length * LINE}px`;
    this.lines.forEach((line) => line.remove());
    this.lines.clear();
    this.go(at);
  }

  go(at) {
    this.at = Math.max(0, Math.min(at, this.items.length - 1));
    const top = this.at * LINE;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    if (top + LINE > this.element.scrollTop + this.element.clientHeight) this.element.scrollTop = top + LINE - this.element.clientHeight;
    this.draw();
    this.choose(this.items[this.at]);
  }

  draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / LINE) - 4);
    const last = Math.min(this.items.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / LINE) + 4);
    for (const [at, line] of this.lines) if ((at < first || at >= last) && at !== this.at) { line.remove(); this.lines.delete(at); }
    for (let at = first; at < last; at++) if (!this.lines.has(at)) this.put(at);
    if (this.items.length && !this.lines.has(this.at)) this.put(this.at);
    for (const [at, line] of this.lines) line.setAttribute("aria-selected", at === this.at);
    if (this.items.length) this.element.setAttribute("aria-activedescendant", `line-${this.at}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  put(at) {
    const line = make("div", {
      class: "line", role: "option", id: `line-${at}`, "aria-setsize": this.items.length, "aria-posinset": at + 1,
      on: { click: () => this.go(at) },
    });
    line.style.top = `${at * LINE}px`;
    this.write(line, this.items[at]);
    this.space.append(line);
    this.lines.set(at, line);
  }

  again(at = this.at) {
    this.lines.get(at)?.remove();
    this.lines.delete(at);
    this.draw();
  }
}
