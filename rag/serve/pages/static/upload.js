import { element } from "/static/stream.js";

const list = document.getElementById("jobs");
const form = document.getElementById("upload");
const sending = document.getElementById("sending");
let timer = null;
document.querySelectorAll(".plain").forEach((part) => part.remove()); // what only a page without script needs

const word = (kind, name) => list.dataset[kind + name[0].toUpperCase() + name.slice(1)] || name;

function show(jobs) {
  const sections = jobs.map((job) => {
    const section = element("section", { class: "job" }, element("h3", {}, `${job.collection} · ${word("state", job.state)}`));
    if (job.state === "running" || job.state === "waiting") {
      section.append(element("progress", { max: String(job.total || 1), value: job.state === "running" ? String(job.done) : null }));
      const button = element("button", { type: "button" }, list.dataset.cancel);
      button.addEventListener("click", () => fetch(`/api/v1/jobs/${job.job}`, { method: "DELETE" }).then(refresh));
      section.append(button);
    }
    if (job.message) section.append(element("p", { class: "problem" }, job.message));
    section.append(element("ul", {}, ...job.files.map((file) =>
      element("li", {}, `${file.name}: ${word("file", file.status)}${file.reason ? ` — ${file.reason}` : ""}`))));
    return section;
  });
  list.replaceChildren(...(sections.length ? sections : [element("p", { class: "empty" }, list.dataset.empty)]));
  return jobs.some((job) => job.state === "running" || job.state === "waiting");
}

async function refresh() {
  const response = await fetch("/api/v1/jobs");
  if (!response.ok) return;
  clearTimeout(timer);
  if (show((await response.json()).jobs)) timer = setTimeout(refresh, 700);
}

// Each file goes by itself: it has its own progress, and a refusal of one does not take the others down.
function send(files) {
  const collection = form.elements.collection.value;
  for (const file of files) sendOne(file, `/api/v1/collections/${encodeURIComponent(collection)}/documents`);
  form.reset();
}

function sendOne(file, address) {
  const bar = element("progress", { max: "1", value: "0", "aria-label": file.name });
  const row = element("section", { class: "job" }, element("h3", {}, `${file.name} · ${sending.dataset.sending}`), bar);
  sending.append(row);
  const data = new FormData();
  data.append("files", file);
  const request = new XMLHttpRequest();
  request.open("POST", address);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) bar.value = event.loaded / event.total;
  });
  request.addEventListener("loadend", () => {
    if (request.status === 202) {
      row.remove();
      refresh();
      return;
    }
    const error = (request.response && request.response.error) || {};
    const text = [error.message || request.statusText || "?", error.remedy].filter(Boolean).join("; ");
    row.replaceChildren(element("p", { class: "problem", role: "alert" }, `${file.name}: ${text}`));
  });
  const button = element("button", { type: "button" }, list.dataset.cancel);
  button.addEventListener("click", () => {
    request.abort();
    row.remove();
  });
  row.append(button);
  request.send(data);
}

if (form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form.elements.files.files);
  });
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    send(event.dataTransfer.files);
  });
}
refresh();
