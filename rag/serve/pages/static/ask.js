import { element, events } from "/static/stream.js";

const $ = (id) => document.getElementById(id);
const words = $("words").dataset;
const form = $("ask");
const verdicts = $("feedback") ? [...$("feedback").querySelectorAll("button")] : [];
let running = null;
let last = null;

function bodyOf(form) {
  const data = new FormData(form);
  const body = { question: data.get("question"), collection: data.get("collection"), trace: true };
  body.filters = (data.get("filters") || "").split("\n").map((line) => line.trim()).filter(Boolean);
  for (const name of ["top_k", "window"]) if (data.get(name)) body[name] = Number(data.get(name));
  for (const name of ["hyde", "fusion"]) if (data.get(name)) body[name] = data.get(name);
  if (data.get("rerank")) body.rerank = data.get("rerank") === "on";
  return body;
}

const link = (collection, row) =>
  `/docs/${encodeURIComponent(collection)}/${encodeURIComponent(row.document_id)}` +
  (row.sentence_id ? `?sentence=${encodeURIComponent(row.sentence_id)}&text=${encodeURIComponent(row.text || "")}#marked` : "");

function place(row) {
  const parts = [];
  if (row.heading) parts.push(row.heading);
  if (row.place) parts.push(row.place);
  if (row.page !== undefined && row.page !== null) parts.push(`${words.page} ${row.page} ${words.pageAfter}`.trim());
  return parts.join(" · ");
}

// A passage with the cited sentences marked in it.
function passageText(passage, marked) {
  const text = element("p");
  for (const row of passage.sentences) {
    const shown = row.raw || row.text;
    text.append(marked.has(row.id) ? element("mark", {}, shown) : shown, row.after ?? "");
  }
  return text;
}

function sourceCard(passage, citations, collection, prefix = "", written = true) {
  const marked = new Set(citations.map((citation) => citation.sentence_id));
  const target = citations[0] || passage;
  const how = written ? [...new Set(citations.map((row) => (row.matched ? "matched" : "cited")))] : [];
  return element(
    "article",
    { class: "source", id: `${prefix}source-${passage.number}`, tabindex: "-1" },
    element("h3", {}, element("span", { class: "mark" }, String(passage.number)), " ", passage.name),
    element("p", { class: "heading" }, [place(passage), `${words.score} ${passage.score.toFixed(3)}`].filter(Boolean).join(" · "),
      ...how.flatMap((name) => [" ", element("span", { class: `badge ${name}` }, words[camel("sentence", name)])])),
    passageText(passage, marked),
    element("p", {}, element("a", { href: link(collection, target) }, words.open)),
  );
}

function openSource(number) {
  const card = $(`source-${number}`) || $(`all-source-${number}`);
  document.querySelectorAll(".source.open").forEach((other) => other.classList.remove("open"));
  if (!card) return;
  if (card.closest("[role=tabpanel]").hidden) select(card.closest("[role=tabpanel]").id.slice(6));
  card.classList.add("open");
  card.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  card.focus({ preventScroll: true });
}

// What a marker cites, while it is pointed at or has the focus.
const tip = element("div", { id: "tip", class: "tip", role: "tooltip", hidden: true });
document.querySelector(".answer-side").append(tip);
function showTip(button, cited) {
  if (!cited.length) return;
  tip.replaceChildren(...cited.map((row) => element("p", {}, row.text)));
  tip.hidden = false;
  tip.style.top = `${button.offsetTop + button.offsetHeight + 6}px`;
}
const hideTip = () => (tip.hidden = true);
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());

// Text with [n] as buttons, sentence by sentence where the check has spoken.
function marked(text, citations) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(/\[(\d{1,3})\]/g)) {
    parts.push(text.slice(from, match.index));
    const number = Number(match[1]);
    const cited = citations.filter((row) => row.number === number);
    const button = element("button", { type: "button", class: "mark", "aria-describedby": "tip", "aria-label": `${words.cited} ${number}` }, String(number));
    button.addEventListener("click", () => openSource(number));
    for (const name of ["mouseenter", "focus"]) button.addEventListener(name, () => showTip(button, cited));
    for (const name of ["mouseleave", "blur"]) button.addEventListener(name, hideTip);
    parts.push(button);
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}

const DOUBTFUL = ["unsupported", "contradicted", "unverified", "moved"];

function showAnswer(done, collection) {
  const answer = $("answer");
  answer.replaceChildren();
  const text = done.answer;
  const sentences = (done.sentences || []).filter((row) => Number.isInteger(row.start)).sort((a, b) => a.start - b.start);
  let from = 0;
  for (const row of sentences) {
    if (row.start < from || row.end > text.length) continue;
    answer.append(...marked(text.slice(from, row.start), done.citations));
    const title = words[`sentence${row.status[0].toUpperCase()}${row.status.slice(1)}`] || row.status;
    answer.append(element("span", { class: row.status, title }, ...marked(text.slice(row.start, row.end), done.citations)));
    if (DOUBTFUL.includes(row.status)) answer.append(" ", element("span", { class: `badge ${row.status}` }, title));
    from = row.end;
  }
  answer.append(...marked(text.slice(from), done.citations));
}

// Without a model that wrote the answer nobody cited: its sentences are the documents' own.
function showSources(passages, citations, collection, status = "") {
  const written = status === "answered";
  const cited = new Map();
  for (const row of citations) cited.set(row.number, [...(cited.get(row.number) || []), row]);
  $("panel-cited").replaceChildren(
    ...passages.filter((p) => cited.has(p.number)).map((p) => sourceCard(p, cited.get(p.number), collection, "", written)),
  );
  $("panel-all").replaceChildren(...passages.map((p) => sourceCard(p, cited.get(p.number) || [], collection, "all-", written)));
  select(cited.size ? "cited" : "all");
}

// What an answer says of itself beyond its text: the nearest passages, and what the model wrote that failed the check.
function showBesides(done) {
  const word = (status) => words[`sentence${status[0].toUpperCase()}${status.slice(1)}`] || status;
  const rows = [];
  if (done.nearest) {
    rows.push(element("h2", {}, words.nearest), element("ul", { class: "nearest" }, ...done.nearest.map((row) =>
      element("li", {}, row.text, " ", element("span", { class: "meta" }, [row.source, row.heading].filter(Boolean).join(" · "))))));
  }
  if (done.rejected) {
    rows.push(element("details", { class: "rejected" }, element("summary", {}, words.rejected), element("ul", {}, ...done.rejected.map((row) =>
      element("li", { class: row.status }, row.text, " ", element("span", { class: "meta" }, word(row.status)))))));
  }
  $("besides").replaceChildren(...rows);
}

// "status", "not_found" -> "statusNotFound": the name of a word in the page's dataset.
function camel(start, name) {
  return start + name.split("_").filter(Boolean).map((part) => part[0].toUpperCase() + part.slice(1)).join("");
}

// A note is in the question's language; of an English one, readers of Chinese first see what it is about.
function noteItem(note, kind, language) {
  const label = kind && language !== "zh" && words[camel("note", kind)];
  return label ? element("li", {}, label, " ", element("span", { class: "meta", lang: "en" }, note)) : element("li", {}, note);
}

function showTrace(trace) {
  const stages = element("table", {}, element("tbody", {},
    ...Object.entries(trace.timings_ms || {}).map(([stage, ms]) =>
      element("tr", {}, element("th", { scope: "row" }, words[camel("stage", stage)] || stage), element("td", { class: "number" }, `${ms.toFixed(1)} ${words.ms}`)))));
  const number = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));
  const rows = (trace.candidates || []).slice(0, 20).map((row, place) =>
    element("tr", {}, element("td", {}, String(place + 1)),
      ...["dense_rank", "sparse_rank", "fused_score", "rerank_score"].map((key) => element("td", { class: "number" }, number(row[key], key.endsWith("score") ? 3 : 0))),
      element("td", {}, row.text)));
  const head = element("tr", {}, ...["#", words.dense, words.sparse, words.fused, words.reranked, words.sentence].map((word, place) =>
    element("th", { scope: "col", class: place && word !== words.sentence ? "number" : "" }, word)));
  const hypotheses = [...(trace.rewritten || []), ...(trace.hypothetical || [])].map((text) => element("blockquote", {}, text));
  $("trace-body").replaceChildren(stages, ...hypotheses,
    element("div", { class: "table" }, element("table", { class: "trace-table" }, element("thead", {}, head), element("tbody", {}, ...rows))));
}

function setBusy(busy) {
  form.querySelector("button.primary").hidden = busy;
  $("stop").hidden = !busy;
}

async function ask() {
  if (running) running.abort();
  const body = bodyOf(form);
  if (!body.question.trim()) return;
  running = new AbortController();
  setBusy(true);
  last = null;
  $("problem").replaceChildren();
  $("notes").replaceChildren();
  $("answer").replaceChildren();
  $("besides").replaceChildren();
  $("panel-cited").replaceChildren();
  $("panel-all").replaceChildren();
  select("cited");
  for (const id of ["actions", "trace"]) $(id).hidden = true;
  if ($("feedback")) {
    $("feedback").hidden = true;
    $("feedback").replaceChildren(...verdicts);
  }
  $("result").hidden = false;
  $("status").textContent = words.searching;
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(null, "", `/?${query}`);
  $("permalink").href = `/?${query}`;
  let passages = [];
  try {
    for await (const event of events("/api/v1/ask", body, running.signal)) {
      if (event.name === "sources") {
        passages = event.data.passages;
        showSources(passages, [], body.collection);
        $("status").textContent = words.writing;
      } else if (event.name === "token") {
        $("answer").append(event.data.text);
      } else if (event.name === "done") {
        last = { ...event.data, passages, collection: body.collection };
        showAnswer(event.data, body.collection);
        showSources(passages, event.data.citations, body.collection, event.data.status);
        const status = event.data.status || "";
        const word = words[camel("status", status)] || status;
        $("status").replaceChildren(element("span", { class: `badge ${status}` }, word));
        $("notes").replaceChildren(...event.data.notes.map((note, place) => noteItem(note, (event.data.note_kinds || [])[place], (event.data.trace || {}).language)));
        if (event.data.trace) $("answer").lang = event.data.trace.language === "zh" ? "zh-CN" : "en";
        showBesides(event.data);
        if (event.data.trace) showTrace(event.data.trace);
        for (const id of ["actions", "trace"]) $(id).hidden = false;
        if ($("feedback")) $("feedback").hidden = false;
      } else if (event.name === "error") {
        throw new Error([event.data.error.message, event.data.error.remedy].filter(Boolean).join("; "));
      }
    }
  } catch (error) {
    $("status").textContent = "";
    if (error.name !== "AbortError") $("problem").replaceChildren(element("p", { class: "problem" }, error.message));
  } finally {
    running = null;
    setBusy(false);
  }
}

function select(name) {
  for (const other of ["cited", "all"]) {
    const chosen = other === name;
    $(`tab-${other}`).setAttribute("aria-selected", String(chosen));
    $(`tab-${other}`).tabIndex = chosen ? 0 : -1;
    $(`panel-${other}`).hidden = !chosen;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
$("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    ask();
  }
});
$("stop").addEventListener("click", () => running && running.abort());
for (const name of ["cited", "all"]) {
  $(`tab-${name}`).addEventListener("click", () => select(name));
  $(`tab-${name}`).addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = name === "cited" ? "all" : "cited";
    select(other);
    $(`tab-${other}`).focus();
  });
}
$("copy").hidden = false;
$("copy").addEventListener("click", async () => {
  if (!last) return;
  const sources = last.citations.map((row) => `[${row.number}] ${row.source}${place(row) ? ` · ${place(row)}` : ""}: ${row.text}`);
  await navigator.clipboard.writeText([last.answer, "", ...sources].join("\n"));
  $("copy").textContent = words.copied;
  setTimeout(() => ($("copy").textContent = words.copy), 1500);
});
if ($("feedback")) {
  $("feedback").addEventListener("submit", async (event) => {
    const verdict = event.submitter && event.submitter.dataset.verdict;
    if (!last) return; // the page came with its answer: the form goes as it is
    event.preventDefault();
    await fetch("/api/v1/feedback", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ verdict, question: last.question, answer: last.answer, collection: last.collection, citations: last.citations }),
    });
    $("feedback").replaceChildren(words.thanks);
  });
}
for (const name of ["cited", "all"]) {
  $(`panel-${name}`).setAttribute("role", "tabpanel");
  $(`panel-${name}`).setAttribute("aria-labelledby", `tab-${name}`);
}
document.querySelectorAll(".sources h2.plain").forEach((heading) => heading.remove());
document.querySelector(".tabs").hidden = false;
select("cited");
const query = new URLSearchParams(location.search);
if (query.get("question") && !$("answer").textContent) ask();
