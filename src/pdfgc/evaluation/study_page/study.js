"use strict";
// One participant's session: clips in an order of their own, three scores each, saved to a file at the end.

const QUESTIONS = [
  { id: "lip_sync", title: "Lip sync", low: "not in time", high: "perfectly in time" },
  { id: "expression", title: "Expression", low: "empty or odd", high: "clear, believable" },
  { id: "naturalness", title: "Naturalness", low: "artificial", high: "like real film" },
];
const SCORES = [1, 2, 3, 4, 5];
const STORE = `pdfgc-study-${STUDY.study}`;
const byId = (id) => document.getElementById(id);

let session = restore() || begin();
let shown = 0;

function begin() {
  const order = STUDY.clips.map((clip) => clip.id);
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const response = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  return { response, participant: "", started: null, order, answers: {} };
}

// Some browsers give pages that were opened from a disk no storage: then a reload starts anew.
function restore() {
  try {
    return JSON.parse(localStorage.getItem(STORE));
  } catch (error) {
    return null;
  }
}

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(session));
  } catch (error) {
    console.info("the browser keeps no progress of this page", error);
  }
}

function show(section) {
  for (const id of ["welcome", "rating", "end"]) byId(id).hidden = id !== section;
  window.scrollTo(0, 0);
}

function answer() {
  const id = session.order[shown];
  session.answers[id] = session.answers[id] || { plays: 0, scores: {} };
  return session.answers[id];
}

function isDone(given) {
  return Boolean(given) && (given.unplayable || QUESTIONS.every((q) => q.id in given.scores));
}

function makeScales() {
  for (const question of QUESTIONS) {
    const field = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = question.title;
    const scale = document.createElement("div");
    scale.className = "scale";
    scale.append(word(question.low), ...SCORES.map((score) => choice(question.id, score)), word(question.high));
    field.append(legend, scale);
    byId("scores").append(field);
  }
}

function word(text) {
  const span = document.createElement("span");
  span.className = "word";
  span.textContent = text;
  return span;
}

function choice(name, score) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name, value: score });
  input.addEventListener("change", () => {
    answer().scores[name] = score;
    keep();
    refresh();
  });
  label.append(input, String(score));
  return label;
}

function showClip(number) {
  shown = number;
  const clip = STUDY.clips.find((c) => c.id === session.order[shown]);
  const given = answer();
  byId("video").src = clip.file;
  for (const input of byId("scores").querySelectorAll("input")) {
    input.checked = given.scores[input.name] === Number(input.value);
  }
  show("rating");
  refresh();
  byId("video").play().catch(() => refresh()); // where a browser wants a click first, the clip waits for it
}

function refresh() {
  const given = answer();
  const total = session.order.length;
  byId("place").textContent = `Clip ${shown + 1} of ${total}`;
  byId("bar").value = shown / total;
  const open = given.plays > 0 && !given.unplayable;
  for (const field of byId("scores").querySelectorAll("fieldset")) field.disabled = !open;
  byId("back").disabled = shown === 0;
  byId("next").disabled = !isDone(given);
  byId("next").textContent = shown + 1 < total ? "Next" : "Finish";
  if (given.unplayable) byId("hint").textContent = "This clip does not play in your browser. Please go on.";
  else if (!open) byId("hint").textContent = "Watch the clip to its end, then rate it.";
  else if (!isDone(given)) byId("hint").textContent = "Please rate all three, from 1 (worst) to 5 (best).";
  else byId("hint").textContent = "";
}

function finish() {
  byId("video").pause();
  const rated = session.order.filter((id) => isDone(session.answers[id]) && !session.answers[id].unplayable);
  byId("summary").textContent = `You rated ${rated.length} of ${session.order.length} clips.`;
  show("end");
}

function save() {
  const answers = session.order
    .filter((id) => isDone(session.answers[id]))
    .map((id) => {
      const given = session.answers[id];
      return { clip: id, plays: given.plays, unplayable: Boolean(given.unplayable), scores: given.scores };
    });
  const file = {
    pdfgc_study: STUDY.format,
    study: STUDY.study,
    response: session.response,
    participant: session.participant,
    started: session.started,
    saved: new Date().toISOString(),
    answers,
  };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }));
  link.download = `answers-${STUDY.study}-${session.response}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  byId("saved").textContent = `Saved as ${link.download} in your downloads.`;
}

function welcome() {
  byId("participant").value = session.participant;
  byId("start").textContent = session.started ? "Continue" : "Start";
  byId("anew").hidden = !session.started;
}

byId("count").textContent = STUDY.clips.length;
makeScales();
welcome();

byId("start").addEventListener("click", () => {
  session.participant = byId("participant").value.trim();
  session.started = session.started || new Date().toISOString();
  keep();
  const open = session.order.findIndex((id) => !isDone(session.answers[id]));
  if (open < 0) finish();
  else showClip(open);
});
byId("anew").addEventListener("click", () => {
  if (!confirm("Forget the scores that were given in this browser?")) return;
  session = begin();
  keep();
  welcome();
});
byId("video").addEventListener("ended", () => {
  answer().plays += 1;
  keep();
  refresh();
});
byId("video").addEventListener("error", () => {
  answer().unplayable = true;
  keep();
  refresh();
});
byId("back").addEventListener("click", () => showClip(shown - 1));
byId("next").addEventListener("click", () => (shown + 1 < session.order.length ? showClip(shown + 1) : finish()));
byId("review").addEventListener("click", () => showClip(session.order.length - 1));
byId("save").addEventListener("click", save);
byId("scores").addEventListener("submit", (event) => event.preventDefault());
