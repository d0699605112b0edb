// A person's marks: kept in the browser, written by the server where there is one, else saved as a file.

const MARKS = {
  good: "good", false_negative: "false negative", positive: "is a positive", bad_positive: "bad positive", bad_query: "bad query",
};

class Marks {
  constructor(data, changed) {
    // A file of marks has a place of its own: what the browser kept of a page without it, or with another, is not shown in its stead.
    const store = ["hnhub-marks", data.fingerprint, data.marked].filter(Boolean).join("-");
    Object.assign(this, { data, changed, byKey: new Map(), store, latest: null, busy: false });
    const kept = (data.served ? null : this.kept()) ?? data.marks;
    for (const mark of kept?.marks ?? []) this.byKey.set(Marks.key(mark), mark);
  }

  static key(mark) {
    return JSON.stringify([mark.query_id, mark.about, mark.document_id ?? null, mark.document_id == null ? mark.text ?? null : null]);
  }

  kept() {
    try { return JSON.parse(localStorage.getItem(this.store)); } catch { return null; } // no storage in a notebook's frame
  }

  get(target) { return this.byKey.get(Marks.key(target)); }

  set(target, mark, note) {
    const old = this.get(target);
    const next = { ...target, mark: mark === undefined ? old?.mark ?? null : mark, note: note === undefined ? old?.note ?? null : note || null };
    if (next.mark === null && next.note === null) this.byKey.delete(Marks.key(target));
    else this.byKey.set(Marks.key(target), next);
    this.keep();
  }

  file() {
    const sampled = new Map();
    for (const [method, rows] of Object.entries(this.data.sampled)) {
      for (const [at, position] of rows) {
        const query = this.data.queries[at];
        const one = (query.n[method] ?? []).find((candidate) => candidate[POSITION] === position);
        if (one) {
          const key = Marks.key(negativeOf(this.data, query, one));
          sampled.set(key, [...(sampled.get(key) ?? []), method]);
        }
      }
    }
    const marks = Array.from(this.byKey.entries(), ([key, mark]) => ({ ...mark, sampled: sampled.get(key) ?? mark.sampled ?? [] }));
    const { sample, seed } = this.data.shown;
    return { hnhub_marks: 1, corpus: this.data.corpus.name, dataset: this.data.fingerprint, sample: sample ? { size: sample, seed } : null, marks };
  }

  keep() {
    const file = this.file();
    try { localStorage.setItem(this.store, JSON.stringify(file)); } catch { /* full, or none */ }
    this.changed();
    if (!this.data.served) return;
    this.latest = file;
    if (!this.busy) this.send();
  }

  // One request at a time, so that an older state never lands after a newer one.
  async send() {
    this.busy = true;
    while (this.latest) {
      const body = JSON.stringify(this.latest);
      this.latest = null;
      const response = await fetch("marks", { method: "POST", headers: { "content-type": "application/json" }, body })
        .catch((error) => ({ ok: false, text: async () => error.message }));
      const told = response.ok ? "saved" : `not saved: ${await response.text()}`;
      if (!this.latest) this.changed(told);
    }
    this.busy = false;
  }

  download() {
    const address = URL.createObjectURL(new Blob([JSON.stringify(this.file(), null, 1) + "\n"], { type: "application/json" }));
    make("a", { href: address, download: "marks.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
}
