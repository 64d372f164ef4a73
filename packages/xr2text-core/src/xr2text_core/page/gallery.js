"use strict";
// Fills the page from its data: one card per study, eye and pen, filter, sort, keys, and the attention of regions.
// Report text is only ever set as text, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const KINDS = ["agreed", "missed", "invented"]; // a finding that both reports assert, only the reference, only the candidate
const FEWEST_LISTED = 3; // findings of a study
const SUSPECTED_FROM = 20; // percent: weaker suspicions are not listed
const ORDERS = {
  order: () => 0,
  bleu_4: (one, other) => one.study.bleu_4 - other.study.bleu_4,
  missed: (one, other) => other.study.missed.length - one.study.missed.length,
  invented: (one, other) => other.study.invented.length - one.study.invented.length,
};
const toolbar = document.querySelector(".toolbar");
const main = document.getElementById("studies");

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// ---- above the studies

function fillList(list, rows) {
  for (const [name, value] of rows) {
    const row = element("div");
    row.append(element("dt", name), element("dd", value));
    list.append(row);
  }
}

function fillFindingChoice(select) {
  data.findings.forEach((name, finding) => {
    const num = data.studies.filter((study) => KINDS.some((kind) => study[kind].includes(finding))).length;
    if (num) select.append(new Option(`${name} (${num})`, finding));
  });
}

// ---- a study

function makeCard(study, index) {
  const card = document.getElementById("study").content.firstElementChild.cloneNode(true);
  const find = (selector) => card.querySelector(selector);
  find("h2").id = `study-${index}`;
  find("h2").append(study.id);
  card.setAttribute("aria-labelledby", `study-${index}`);
  const measures = ["this study alone:", `BLEU-4 ${study.bleu_4.toFixed(2)}`, `ROUGE-L ${study.rouge_l.toFixed(2)}`];
  find(".measures").append(...measures.map((each) => element("span", each)));
  fillFilms(find(".films"), study);
  fillReport(find(".reference"), study.reference);
  fillList(find(".beside"), study.beside);
  fillReport(find(".candidate"), study.candidate);
  fillFindings(find(".findings"), study);
  addRegions(card, study);
  const texts = [study.reference, study.candidate].map((runs) => runs.map(([text]) => text).join(""));
  return { study, index, card, words: [study.id, ...texts].join("\n").toLowerCase() };
}

function fillFilms(place, study) {
  study.films.forEach(({ view, image }, number) => {
    const film = number ? element("div", "", "film") : place.querySelector(".film");
    const shown = film.querySelector("img") ?? element("img");
    shown.alt = `Chest X-ray of ${study.id}, view ${view}`;
    shown.src = image;
    if (number) film.append(shown);
    film.append(element("span", view));
    place.append(film);
  });
  place.closest(".study").classList.toggle("with-films", study.films.length > 1);
}

function fillReport(paragraph, runs) {
  if (!runs.length) paragraph.append(element("em", "an empty report"));
  for (const [text, differs] of runs) {
    const [, before, words, after] = /^(\s*)(.*?)(\s*)$/s.exec(text);
    paragraph.append(before, differs && words ? element("mark", words) : words, after);
  }
}

function overall(study) {
  return study.suspected[study.suspected.length - 1]; // the last row is the whole image
}

// ---- what the image head decided (the eye), what the report says (the pen), and the reference

function decides() {
  return data.studies.some((study) => study.decided);
}

function isListed(study, finding) {
  const said = [study.candidate_says[finding], study.reference_says[finding]].some((each) => each && each !== "absent");
  return said || study.decided?.includes(finding) || overall(study)[finding] >= SUSPECTED_FROM;
}

function notAsDecided(study) {
  if (!study.decided) return [];
  const isWritten = (finding) => study.agreed.includes(finding) || study.invented.includes(finding);
  return [...data.findings.keys()].filter((finding) => isWritten(finding) !== study.decided.includes(finding));
}

function culprit(study, kind, finding) {
  if (!study.decided || kind === "agreed") return "";
  return study.decided.includes(finding) === (kind === "invented") ? "eye" : "pen";
}

function fillFindings(place, study) {
  const percents = overall(study);
  const order = [...percents.keys()].sort((one, other) => percents[other] - percents[one]);
  const likeliest = order.slice(0, FEWEST_LISTED);
  const relevant = order.filter((finding) => isListed(study, finding));
  const listed = relevant.length < FEWEST_LISTED ? order.filter((each) => relevant.includes(each) || likeliest.includes(each)) : relevant;
  place.querySelector("tbody").append(...listed.map((finding) => findingRow(study, finding)));
  const notes = [penNote(study)];
  if (study.agreed.length) notes.push("Agreed: both reports assert the finding; its size, side and place are not compared.");
  place.querySelector(".note").textContent = notes.filter(Boolean).join(" ");
  const others = order.filter((finding) => !listed.includes(finding));
  const likely = others.filter((finding) => percents[finding]).map((finding) => `${data.findings[finding]} ${percents[finding]}\u00a0%`);
  const rest = others.length - likely.length;
  if (rest) likely.push(`${likely.length ? "" : "all "}${rest} ${likely.length ? "others " : ""}below 0.5 %`);
  place.querySelector(".others").textContent = `${likely.join(", ")}.`;
  place.querySelector("details").hidden = !others.length;
}

function penNote(study) {
  if (!study.decided) return "";
  if (!study.pen.length) return "The report says exactly what the image head decided.";
  const each = (finding) => `${data.findings[finding]} (${study.decided.includes(finding) ? "decided, not written" : "written, not decided"})`;
  return `The report differs from what the image head decided: ${study.pen.map(each).join(", ")}.`;
}

function findingRow(study, finding) {
  const row = element("tr");
  const kind = KINDS.find((each) => study[each].includes(finding));
  const name = element("th", data.findings[finding]);
  name.scope = "row";
  const result = tableCell("Result", "");
  if (kind) result.append(resultChip(study, kind, finding));
  row.append(
    name,
    eyeCell(study, finding),
    tableCell("Candidate", study.candidate_says[finding], study.pen.includes(finding) ? "off" : ""),
    tableCell("Reference", study.reference_says[finding]),
    result,
  );
  return row;
}

function tableCell(label, said, className) {
  const cell = element("td", "", className);
  cell.dataset.label = label;
  cell.append(said ?? element("span", "not mentioned", "none"));
  return cell;
}

function eyeCell(study, finding) {
  const percent = overall(study)[finding];
  const cell = tableCell("Image head", "");
  const bar = element("i");
  bar.style.setProperty("--share", `${percent}%`);
  cell.append(bar, element("b", `${percent} %`));
  if (study.decided) cell.append(" ", study.decided.includes(finding) ? element("strong", "decided") : element("span", "not decided", "none"));
  return cell;
}

function resultChip(study, kind, finding) {
  const who = culprit(study, kind, finding);
  const chip = element("span", who ? `${kind} by the ${who}` : kind, `chip ${kind}`);
  chip.dataset.finding = finding;
  return chip;
}

// ---- attention of the regions

function addRegions(card, study) {
  data.regions.forEach((name, region) => {
    const button = element("button", name);
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(card, study, region));
    button.addEventListener("pointerleave", () => show(card, study, kept(card)));
    button.addEventListener("focus", () => button.matches(":focus-visible") && show(card, study, region));
    button.addEventListener("blur", () => show(card, study, kept(card)));
    button.addEventListener("click", () => keep(card, study, region));
    card.querySelector(".regions").append(button);
  });
  show(card, study, -1);
}

function regionButtons(card) {
  return [...card.querySelectorAll(".regions button")];
}

function kept(card) {
  return regionButtons(card).findIndex((button) => button.getAttribute("aria-pressed") === "true");
}

function keep(card, study, region) {
  const wanted = kept(card) === region ? -1 : region;
  regionButtons(card).forEach((button, index) => button.setAttribute("aria-pressed", String(index === wanted)));
  show(card, study, wanted);
}

function show(card, study, region) {
  const canvas = card.querySelector("canvas");
  const caption = card.querySelector("figcaption");
  regionButtons(card).forEach((button, index) => button.classList.toggle("shown", index === region));
  canvas.hidden = region < 0;
  if (region < 0) {
    caption.textContent = "The patient's right is on the left of the image.";
    return;
  }
  drawAttention(canvas, study.attention, region);
  const listed = data.findings
    .map((name, finding) => [study.suspected[region][finding], name])
    .filter(([percent]) => percent >= SUSPECTED_FROM)
    .sort(([one], [other]) => other - one)
    .slice(0, 3)
    .map(([percent, name]) => `${name} ${percent} %`);
  const suspicion = listed.join(", ") || `nothing (all below ${SUSPECTED_FROM} %)`;
  caption.textContent = `Attention of “${data.regions[region]}”; suspected: ${suspicion}.`;
}

function drawAttention(canvas, encoded, region) {
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const side = Math.round(Math.sqrt(bytes.length / data.regions.length));
  const pixels = new ImageData(side, side);
  for (let cell = 0; cell < side * side; cell++) {
    const strength = bytes[region * side * side + cell];
    pixels.data.set([255, 110 + strength / 3, 20, strength * 0.65], cell * 4); // orange, the clearer the stronger
  }
  const small = element("canvas");
  small.width = small.height = side;
  small.getContext("2d").putImageData(pixels, 0, 0);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

// ---- filter and sort

function matches({ study, words }, { search, finding, kind }) {
  if (!search.every((word) => words.includes(word))) return false;
  if (!finding && !kind) return true;
  const kinds = kind ? [kind] : KINDS;
  return kinds.some((each) => (finding ? study[each].includes(Number(finding)) : study[each].length));
}

function update() {
  const wanted = Object.fromEntries(new FormData(toolbar));
  wanted.search = wanted.search.toLowerCase().split(/\s+/).filter(Boolean);
  const compare = ORDERS[wanted.sort];
  const shown = cards.filter((each) => matches(each, wanted));
  shown.sort((one, other) => compare(one, other) || one.index - other.index);
  const focused = document.activeElement;
  for (const { card } of cards) card.remove();
  main.append(...shown.map(({ card }) => card));
  if (focused !== document.activeElement && main.contains(focused)) {
    focused.focus({ preventScroll: true });
    focused.scrollIntoView({ block: "nearest" });
  }
  for (const chip of main.querySelectorAll(".chip")) chip.classList.toggle("wanted", chip.dataset.finding === wanted.finding);
  main.querySelector(".empty").hidden = shown.length > 0;
  const sums = KINDS.map((kind) => countOf(shown, kind));
  toolbar.querySelector(".count").textContent = `${shown.length} of ${cards.length} studies; findings: ${sums.join(", ")}`;
}

function countOf(shown, kind) {
  const each = shown.flatMap(({ study }) => study[kind].map((finding) => culprit(study, kind, finding)));
  const byPen = each.filter((who) => who === "pen").length;
  const parts = kind !== "agreed" && decides() && each.length ? ` (${each.length - byPen} by the eye, ${byPen} by the pen)` : "";
  return `${each.length} ${kind}${parts}`;
}

// ---- keys

function shownCards() {
  return [...main.querySelectorAll(".study")];
}

function cardHere() {
  const below = Math.max(0, toolbar.getBoundingClientRect().bottom) + 40;
  return document.activeElement.closest(".study") ?? shownCards().find((card) => card.getBoundingClientRect().bottom > below);
}

function step(by) {
  const shown = shownCards();
  const focused = document.activeElement.closest(".study");
  const next = focused ? shown[shown.indexOf(focused) + by] : cardHere();
  if (!next) return;
  next.focus({ preventScroll: true });
  next.scrollIntoView(); // the style sheet chooses smooth or not
}

function keepHere(region) {
  const here = cardHere();
  const found = cards.find(({ card }) => card === here);
  if (found) keep(found.card, found.study, region);
}

function clear() {
  const withRegion = cards.filter(({ card }) => kept(card) >= 0);
  for (const { card, study } of withRegion) keep(card, study, kept(card));
  if (!withRegion.length) clearToolbar();
}

function clearToolbar() {
  toolbar.reset();
  update();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input, select");
  const digit = Number(event.key);
  if (event.key === "Escape") clear();
  else if (isTyping) return;
  else if (event.key === "/") toolbar.elements.search.focus();
  else if (event.key === "j" || event.key === "ArrowRight") step(1);
  else if (event.key === "k" || event.key === "ArrowLeft") step(-1);
  else if (digit >= 1 && digit <= data.regions.length) keepHere(digit - 1);
  else return;
  event.preventDefault();
});

toolbar.addEventListener("input", update);
toolbar.querySelector("button").addEventListener("click", clearToolbar);
toolbar.addEventListener("submit", (event) => event.preventDefault());

for (const study of data.studies) study.pen = notAsDecided(study);
const cards = data.studies.map(makeCard);
if (!decides()) toolbar.querySelector("[value=pen]").remove();
document.querySelector(".scored").textContent = `Scores of ${data.scored}`;
fillList(document.querySelector(".about"), data.about);
fillList(document.querySelector(".scores"), data.scores);
fillFindingChoice(toolbar.elements.finding);
document.querySelector(".run").open = matchMedia("(min-width: 720px)").matches;
update();
