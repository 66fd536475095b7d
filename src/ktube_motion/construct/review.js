"use strict";
const pages = JSON.parse(document.getElementById("clips").textContent);
const { bones, fps, clips, title } = pages;
const key = "ktube review " + title;
const list = document.getElementById("list"), summary = document.getElementById("summary");
const shown = new Set();
let dropped = new Set();
try { dropped = new Set(JSON.parse(localStorage.getItem(key)) || []); } catch { /* a file opened without storage */ }

function frames(clip) {
  if (!clip.values) {
    const bytes = Uint8Array.from(atob(clip.joints), (letter) => letter.charCodeAt(0));
    clip.values = new Int16Array(bytes.buffer);
  }
  return clip.values;
}

function draw(canvas, clip, seconds) {
  const values = frames(clip), size = 2 * pages.joints, count = values.length / size;
  const start = size * (Math.floor(seconds * fps) % count);
  const pen = canvas.getContext("2d"), scale = canvas.height / 2200;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.lineWidth = 3;
  pen.lineCap = "round";
  const x = (joint) => canvas.width / 2 + values[start + 2 * joint] * scale;
  const y = (joint) => canvas.height * 0.5 - values[start + 2 * joint + 1] * scale;
  for (const [joint, parent, colour] of bones) {
    pen.strokeStyle = colour;
    pen.beginPath();
    pen.moveTo(x(parent), y(parent));
    pen.lineTo(x(joint), y(joint));
    pen.stroke();
  }
}

function count() {
  const kept = clips.filter((clip) => !dropped.has(clip.name));
  const minutes = kept.reduce((sum, clip) => sum + clip.seconds, 0) / 60;
  summary.textContent = `${kept.length} of ${clips.length} clips kept, ${minutes.toFixed(1)} minutes`;
  try { localStorage.setItem(key, JSON.stringify([...dropped])); } catch { /* as above */ }
}

function mark(card, clip, keep) {
  keep ? dropped.delete(clip.name) : dropped.add(clip.name);
  card.classList.toggle("dropped", !keep);
  count();
}

function show(order) {
  list.replaceChildren();
  shown.clear();
  for (const clip of [...clips].sort(order)) {
    const card = document.getElementById("card").content.firstElementChild.cloneNode(true);
    const box = card.querySelector("input");
    card.querySelector("b").textContent = clip.name;
    card.querySelector("p").textContent = clip.text;
    card.querySelector("small").textContent = clip.figures;
    box.checked = !dropped.has(clip.name);
    box.addEventListener("change", () => mark(card, clip, box.checked));
    card.classList.toggle("dropped", !box.checked);
    card.clip = clip;
    watcher.observe(card);
    list.append(card);
  }
}

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) isIntersecting ? shown.add(target) : shown.delete(target);
});
const orders = {
  name: (a, b) => (a.name < b.name ? -1 : 1),
  filled: (a, b) => b.filled - a.filled,
  jitter: (a, b) => b.jitter - a.jitter,
  confidence: (a, b) => a.confidence - b.confidence,
  dropped: (a, b) => dropped.has(b.name) - dropped.has(a.name),
};
document.getElementById("order").addEventListener("change", (event) => show(orders[event.target.value]));
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([[...dropped].sort().join("\n") + "\n"], { type: "text/plain" }));
  link.download = "dropped.txt";
  link.click();
  URL.revokeObjectURL(link.href);
});
function play(time) {
  for (const card of shown) draw(card.querySelector("canvas"), card.clip, time / 1000);
  requestAnimationFrame(play);
}
show(orders.name);
count();
requestAnimationFrame(play);
