// Playing: one time for all panels, sound, subtitles word by word, a camera that fingers and keys turn.
const player = { clips: [], cues: [], canvases: [], time: 0, playing: false, speed: 1, view: { ...HOME }, seconds: 1, fps: 20, dirty: true, stage: null, sticks: false, shown: null, fine: 1, slow: 0 };
const CALM = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const sound = $("sound");

function draw(canvas, clip, time, view, options = {}) {
  const ratio = (window.devicePixelRatio || 1) * player.fine, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height || !clip.numbers) return;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio);
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  const now = pose(clip, time), camera = cameraOf(clip, view, now.target, width, height, options.margins || { top: 0, bottom: 0 }, options.distance);
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.lineCap = g.lineJoin = "round";
  const stage = player.stage, solid = stage && now.moves && !player.sticks;
  if (solid) {
    drawBody(stage, clip, now, camera, wide, high);
    g.drawImage(stage.canvas, 0, stage.canvas.height - high, wide, high, 0, 0, width, height);
  } else { g.fillStyle = COLORS.paper; g.fillRect(0, 0, width, height); }
  if (options.trail && clip.walks && !solid) trailOf(g, clip, time, camera);
  if (!solid) drawSticks(g, clip, now, camera);
}

function cueAt(cues, time) {
  const now = cues.filter(([start, end]) => start <= time && time < end);
  const all = cues.filter(([start, end]) => start === 0 && end === 0);
  return now[0] || all[0] || null;
}

function speak(time) {
  const cue = cueAt(player.cues, time), place = $("subtitle");
  if (cue !== player.shown) {
    player.shown = cue;
    const words = cue && cue[3];
    place.replaceChildren(...(words || []).flatMap(([, , text], k) => {
      const word = document.createElement("span");
      word.className = "word"; word.textContent = text;
      return k ? [" ", word] : [word];
    }));
    if (cue && !words) place.textContent = cue[2];
  }
  if (cue && cue[3]) [...place.children].forEach((word, k) => {
    const [start, end] = cue[3][k];
    word.classList.toggle("said", time >= end);
    word.classList.toggle("now", start <= time && time < end);
  });
}

async function show(clips, cues, title = "") {
  await Promise.all(clips.map(decode));
  player.clips = clips; player.cues = cues; player.time = 0; player.shown = null;
  $("subtitle").replaceChildren();
  player.seconds = Math.max(...clips.map((clip) => clip.seconds));
  player.fps = Math.max(...clips.map((clip) => clip.fps));
  const said = cues.map((cue) => cue[2]);
  player.canvases = clips.map((clip) => {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${clip.name || "동작"}, ${clip.seconds.toFixed(1)}초. 끌어서 돌리고 휠로 키웁니다.`);
    orbit(canvas);
    return canvas;
  });
  $("panels").replaceChildren(...player.canvases.map((canvas, k) => {
    const panel = document.createElement("div"), name = document.createElement("p");
    panel.className = "panel";
    // What the heading or the subtitle says already is not said again.
    name.textContent = clips.length === 1 && (said.includes(clips[k].name) || clips[k].name === title) ? "" : clips[k].name;
    panel.append(canvas, name);
    return panel;
  }));
  const bodies = clips.some((clip) => clip.turns) && player.stage;
  $("look").style.display = bodies ? "" : "none";
  $("scrub").max = Math.max(Math.round(player.seconds * player.fps) - 1, 0);
  player.dirty = true;
}

function setPlaying(on) {
  if (on && player.time >= player.seconds - 1.5 / player.fps) player.time = 0;
  player.playing = on;
  $("play").textContent = on ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", on ? "멈춤" : "재생");
  $("subtitle").setAttribute("aria-live", on ? "off" : "polite");
  if (!sound.src) return;
  sound.currentTime = Math.min(player.time, sound.duration || player.time);
  if (on) sound.play().catch(() => setPlaying(false)); else sound.pause();
}

function seek(time) {
  player.time = Math.min(Math.max(time, 0), Math.max(player.seconds - 1 / player.fps, 0));
  if (sound.src) sound.currentTime = player.time;
  player.dirty = true;
}

// Where bodies are drawn in software, fewer pixels keep the motion in motion.
function keepPace(passed) {
  player.slow = passed > 0.12 ? player.slow + 1 : Math.max(player.slow - 0.5, 0);
  if (player.slow < 5 || player.fine < 0.5 || !player.stage) return;
  player.fine *= 0.7; player.slow = 0;
}

function advance(passed) {
  keepPace(passed);
  // Sound keeps the time, as long as it lasts.
  const heard = sound.src && !sound.paused && !sound.ended;
  player.time = heard ? sound.currentTime : player.time + passed * player.speed;
  if (player.time >= player.seconds) { player.time %= player.seconds; if (sound.src) { sound.currentTime = player.time; sound.play().catch(() => {}); } }
  player.dirty = true;
}

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
    else if (event.shiftKey || event.buttons === 2) pan(dx / canvas.clientHeight, dy / canvas.clientHeight);
    else if (fingers.size === 1) turnView(-dx * 0.008, dy * 0.008);
    if (fingers.size === 2) pan(dx / 2 / canvas.clientHeight, dy / 2 / canvas.clientHeight);
    player.dirty = true;
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY * 0.0012)); }, { passive: false });
}

function turnView(around, over) {
  player.view.azimuth += around;
  player.view.elevation = Math.min(Math.max(player.view.elevation + over, -0.3), 1.5);
  player.dirty = true;
}
function pan(x, y) { player.view.x -= (2 * x) / player.view.zoom; player.view.y += (2 * y) / player.view.zoom; player.dirty = true; }
function zoom(factor) { player.view.zoom = Math.min(Math.max(player.view.zoom * factor, 0.2), 10); player.dirty = true; }

function paint() {
  const named = $("title").textContent || $("panels").querySelector("p").textContent;
  const margins = { top: named ? 44 : 14, bottom: player.cues.length ? 62 : 16 };
  const sizes = player.canvases.map((canvas) => [canvas.clientWidth, canvas.clientHeight - margins.top - margins.bottom, FOCAL * canvas.clientHeight]);
  const distance = Math.max(...player.clips.map((clip, k) => needed(clip, sizes[k][0], Math.max(sizes[k][1], player.canvases[k].clientHeight / 3), sizes[k][2])));
  player.canvases.forEach((canvas, k) => draw(canvas, player.clips[k], player.time, player.view, { trail: data.trail, margins, distance }));
  speak(player.time);
  const clock = `${player.time.toFixed(2)} / ${player.seconds.toFixed(2)}`;
  $("scrub").value = Math.floor(player.time * player.fps + 1e-6);
  $("scrub").setAttribute("aria-valuetext", `${player.time.toFixed(1)}초, 전체 ${player.seconds.toFixed(1)}초`);
  $("clock").textContent = clock;
  player.dirty = false;
}

function setSticks(on) {
  player.sticks = on;
  $("look").textContent = on ? "막대" : "몸";
  $("look").setAttribute("aria-pressed", String(on));
  player.dirty = true;
}

$("play").onclick = () => setPlaying(!player.playing);
$("scrub").oninput = (event) => { setPlaying(false); seek(event.target.value / player.fps); };
$("speed").onchange = (event) => { player.speed = Number(event.target.value); sound.playbackRate = player.speed; };
$("reset").onclick = () => { player.view = { ...HOME }; player.dirty = true; };
$("look").onclick = () => setSticks(!player.sticks);
window.addEventListener("resize", () => { player.dirty = true; });
document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || field.tagName === "SELECT" || (field.tagName === "INPUT" && field.id !== "scrub")) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === " ") { if (field.tagName === "BUTTON") return; setPlaying(!player.playing); }
  else if (step && event.shiftKey) turnView(0.15 * step, 0);
  else if (step) { setPlaying(false); seek((Math.round(player.time * player.fps) + step) / player.fps); }
  else if (event.key === "ArrowUp") zoom(1.15);
  else if (event.key === "ArrowDown") zoom(1 / 1.15);
  else if (event.key === "Home") seek(0);
  else if (event.key === "End") seek(player.seconds);
  else if (event.key.toLowerCase() === "r") $("reset").onclick();
  else if (event.key.toLowerCase() === "b") $("look").onclick();
  else if (event.key.toLowerCase() === "e" && !data.gallery) $("edit").onclick();
  else if (event.key === "[" && !data.gallery) $("here").onclick();
  else if (event.key === "]" && !data.gallery) $("there").onclick();
  else if (event.key === "Escape" && data.gallery) browse();
  else return;
  event.preventDefault();
});
