import { element } from "/static/stream.js";

const list = document.getElementById("jobs");
const form = document.getElementById("upload");

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
  if (show((await response.json()).jobs)) setTimeout(refresh, 700);
}

async function send(files) {
  const data = new FormData();
  for (const file of files) data.append("files", file);
  const collection = form.elements.collection.value;
  const response = await fetch(`/api/v1/collections/${encodeURIComponent(collection)}/documents`, { method: "POST", body: data });
  if (!response.ok) {
    const found = await response.json().catch(() => ({}));
    const error = found.error || {};
    list.prepend(element("p", { class: "problem", role: "alert" }, [error.message, error.remedy].filter(Boolean).join("; ")));
    return;
  }
  form.reset();
  refresh();
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
