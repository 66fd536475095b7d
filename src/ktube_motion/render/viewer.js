"use strict";
// The motion viewer of ktube_motion: positions come as int16 in base64, a canvas draws them. No libraries, no network.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const COLORS = data.colors, PAPER = COLORS.paper;
const FOCAL = 1.9, HOME = { azimuth: 0, elevation: 0.2, zoom: 1 };

// ---- clips ----
function decode(clip) {
  if (clip.points) return clip;
  const bytes = Uint8Array.from(atob(clip.data), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer), count = bytes.length / 2;
  clip.points = new Float32Array(count);
  for (let k = 0; k < count; k++) clip.points[k] = view.getInt16(2 * k, true) * clip.scale + clip.middle[k % 3];
  clip.stride = clip.parents.length + 1; // the last point of a frame is where the camera looks
  clip.seconds = clip.frames / clip.fps;
  return clip;
}

function pose(clip, time) {
  const place = Math.min(Math.max(time * clip.fps, 0), clip.frames - 1), first = Math.floor(place), share = place - first;
  const size = clip.stride * 3, a = first * size, b = Math.min(first + 1, clip.frames - 1) * size, out = [];
  for (let k = 0; k < size; k += 3) {
    const at = (axis) => clip.points[a + k + axis] * (1 - share) + clip.points[b + k + axis] * share;
    out.push([at(0), at(1), at(2)]);
  }
  return out;
}

// ---- drawing ----
function projector(view, target, distance, width, height) {
  const ca = Math.cos(view.azimuth), sa = Math.sin(view.azimuth), ce = Math.cos(view.elevation), se = Math.sin(view.elevation);
  const focal = FOCAL * Math.min(height, width), away = distance / view.zoom;
  return (p) => {
    const x = p[0] - target[0], y = p[1] - target[1], z = p[2] - target[2];
    const depth = away - (x * sa * ce + y * se + z * ca * ce);
    const f = focal / Math.max(depth, 0.05);
    return [width / 2 + (x * ca - z * sa) * f, height * 0.5 - (-x * sa * se + y * ce - z * ca * se) * f, depth, f];
  };
}

function stroke(g, a, b, width, color) {
  g.strokeStyle = color; g.lineWidth = width; g.beginPath(); g.moveTo(a[0], a[1]); g.lineTo(b[0], b[1]); g.stroke();
}

function ground(g, project, floor, target, view) {
  const step = 0.5, reach = 3, mx = Math.round(target[0] / step) * step, mz = Math.round(target[2] / step) * step;
  for (let k = -reach; k <= reach + 1e-6; k += step) {
    for (const [a, b] of [[[mx - reach, floor, mz + k], [mx + reach, floor, mz + k]], [[mx + k, floor, mz - reach], [mx + k, floor, mz + reach]]]) {
      const p = project(a), q = project(b);
      if (p[2] > 0.2 && q[2] > 0.2) stroke(g, p, q, 1, COLORS.grid);
    }
  }
}

function body(g, clip, joints, project) {
  const dots = joints.map(project), items = [];
  clip.parents.forEach((parent, joint) => {
    if (parent < 0) return;
    const width = Math.max((clip.fine[joint] ? 0.011 : 0.038) * (dots[parent][3] + dots[joint][3]) / 2, 1.5);
    items.push([dots[parent][2] + dots[joint][2], dots[parent], dots[joint], width, COLORS[clip.sides[joint]]]);
  });
  if (clip.head >= 0) {
    const head = joints[clip.head], neck = joints[clip.parents[clip.head]];
    const up = head.map((value, k) => value - neck[k]), length = Math.hypot(...up) || 1;
    const top = project(head.map((value, k) => value + (0.05 * up[k]) / length));
    items.push([2 * top[2], top, [top[0] + 0.01, top[1]], 0.17 * top[3], COLORS.middle]);
  }
  items.sort((a, b) => b[0] - a[0]);
  for (const [, a, b, width, color] of items) { stroke(g, a, b, width + Math.max(2, 0.25 * width), PAPER); stroke(g, a, b, width, color); }
}

function draw(canvas, clip, time, view, trail) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.lineCap = g.lineJoin = "round";
  g.fillStyle = PAPER; g.fillRect(0, 0, width, height);
  const joints = pose(decode(clip), time), target = joints.pop();
  const project = projector(view, target, clip.distance, width, height);
  ground(g, project, clip.floor, target, view);
  const shade = joints.map((p) => project([p[0], clip.floor, p[2]]));
  g.strokeStyle = COLORS.middle + "28"; g.beginPath();
  clip.parents.forEach((parent, joint) => {
    if (parent < 0 || clip.fine[joint]) return;
    g.moveTo(shade[parent][0], shade[parent][1]); g.lineTo(shade[joint][0], shade[joint][1]);
  });
  g.lineWidth = 0.07 * project(target)[3]; g.stroke();
  if (trail) {
    g.strokeStyle = COLORS.trail + "bf"; g.lineWidth = 0.014 * project(target)[3]; g.beginPath();
    const last = Math.min(Math.floor(time * clip.fps), clip.frames - 1);
    for (let k = 0; k <= last; k++) {
      const p = project([clip.points[k * clip.stride * 3], clip.floor, clip.points[k * clip.stride * 3 + 2]]);
      k ? g.lineTo(p[0], p[1]) : g.moveTo(p[0], p[1]);
    }
    g.stroke();
  }
  body(g, clip, joints, project);
}

// ---- the player ----
const player = { clips: [], cues: [], canvases: [], time: 0, playing: false, speed: 1, view: { ...HOME }, seconds: 1, fps: 20, dirty: true };

function cueAt(cues, time) {
  const now = cues.filter(([start, end]) => start <= time && time < end);
  const all = cues.filter(([start, end]) => start === 0 && end === 0);
  return (now[0] || all[0] || [0, 0, ""])[2];
}

function show(clips, cues) {
  player.clips = clips.map(decode); player.cues = cues; player.time = 0;
  player.seconds = Math.max(...clips.map((clip) => clip.seconds));
  player.fps = clips[0].fps;
  const panels = $("panels");
  panels.replaceChildren();
  player.canvases = clips.map((clip) => {
    const panel = document.createElement("div"), canvas = document.createElement("canvas"), name = document.createElement("p");
    panel.className = "panel"; name.textContent = clip.name;
    canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", clip.name || "motion");
    panel.append(canvas, name); panels.append(panel); orbit(canvas);
    return canvas;
  });
  $("scrub").max = Math.max(Math.round(player.seconds * player.fps) - 1, 0);
  player.dirty = true;
}

function setPlaying(on) {
  player.playing = on;
  $("play").textContent = on ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", on ? "멈춤" : "재생");
}

function seek(time) { player.time = Math.min(Math.max(time, 0), Math.max(player.seconds - 1 / player.fps, 0)); player.dirty = true; }

function orbit(canvas) {
  const fingers = new Map();
  const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); fingers.set(event.pointerId, { x: event.clientX, y: event.clientY }); });
  canvas.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const before = fingers.size === 2 ? spread() : 0, dx = event.clientX - last.x, dy = event.clientY - last.y;
    last.x = event.clientX; last.y = event.clientY;
    if (fingers.size === 2) zoom(spread() / Math.max(before, 1));
    else if (fingers.size === 1) {
      player.view.azimuth -= dx * 0.008;
      player.view.elevation = Math.min(Math.max(player.view.elevation + dy * 0.008, -0.3), 1.5);
    }
    player.dirty = true;
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY * 0.0012)); }, { passive: false });
}

function zoom(factor) { player.view.zoom = Math.min(Math.max(player.view.zoom * factor, 0.2), 8); player.dirty = true; }

function paint() {
  player.canvases.forEach((canvas, k) => draw(canvas, player.clips[k], player.time, player.view, data.trail));
  const text = cueAt(player.cues, player.time);
  if ($("subtitle").textContent !== text) $("subtitle").textContent = text;
  $("scrub").value = Math.floor(player.time * player.fps + 1e-6);
  $("clock").textContent = `${player.time.toFixed(2)} / ${player.seconds.toFixed(2)} s`;
  player.dirty = false;
}

$("play").onclick = () => setPlaying(!player.playing);
$("scrub").oninput = (event) => { setPlaying(false); seek(event.target.value / player.fps); };
$("speed").onchange = (event) => { player.speed = Number(event.target.value); };
$("reset").onclick = () => { player.view = { ...HOME }; player.dirty = true; };
window.addEventListener("resize", () => { player.dirty = true; });
document.addEventListener("keydown", (event) => {
  if (["SELECT", "INPUT"].includes(event.target.tagName) && event.target.id !== "scrub") return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === " ") { if (event.target.tagName === "BUTTON") return; setPlaying(!player.playing); }
  else if (step) { setPlaying(false); seek((Math.round(player.time * player.fps) + step) / player.fps); }
  else if (event.key === "ArrowUp") zoom(1.15);
  else if (event.key === "ArrowDown") zoom(1 / 1.15);
  else if (event.key === "Home") seek(0);
  else if (event.key === "End") seek(player.seconds);
  else if (event.key.toLowerCase() === "r") $("reset").onclick();
  else if (event.key === "Escape" && data.gallery) browse();
  else return;
  event.preventDefault();
});

// ---- the gallery ----
const tiles = new Map();
function browse() { setPlaying(false); document.body.classList.add("browsing"); }
function open(clip) {
  document.body.classList.remove("browsing");
  player.view = { ...HOME };
  show([clip], clip.cues); setPlaying(true);
}
function fill() {
  const words = $("search").value.trim().toLowerCase();
  const found = data.clips.filter((clip) => `${clip.name} ${clip.cues.map((cue) => cue[2]).join(" ")}`.toLowerCase().includes(words));
  $("count").textContent = `${found.length} / ${data.clips.length}`;
  tiles.clear(); watcher.disconnect();
  $("tiles").replaceChildren(...found.map((clip) => {
    const tile = document.createElement("button"), canvas = document.createElement("canvas");
    const name = document.createElement("b"), text = document.createElement("span");
    tile.className = "tile"; name.textContent = clip.name; text.textContent = clip.cues.length ? clip.cues[0][2] : "";
    tile.append(canvas, name, text); tile.onclick = () => open(clip);
    tiles.set(canvas, { clip, seen: false }); watcher.observe(canvas);
    return tile;
  }));
}
const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => { const tile = tiles.get(entry.target); if (tile) tile.seen = entry.isIntersecting; }));

let before = null;
function tick(now) {
  const passed = before === null ? 0 : Math.min((now - before) / 1000, 0.25);
  before = now;
  if (document.body.classList.contains("browsing")) {
    for (const [canvas, tile] of tiles) if (tile.seen) draw(canvas, tile.clip, (now / 1000) % decode(tile.clip).seconds, HOME, false);
  } else {
    if (player.playing) { player.time = (player.time + passed * player.speed) % player.seconds; player.dirty = true; }
    if (player.dirty) paint();
  }
  requestAnimationFrame(tick);
}

$("title").textContent = data.title;
if (data.gallery) {
  document.body.classList.add("has-gallery");
  $("search").oninput = fill; $("back").onclick = browse;
  fill(); browse();
} else {
  show(data.clips, data.cues); setPlaying(true);
}
requestAnimationFrame(tick);
