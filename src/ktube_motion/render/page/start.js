// The gallery, and the beginning of everything.
const tiles = new Map();
const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => {
  const tile = tiles.get(entry.target);
  if (!tile) return;
  tile.seen = entry.isIntersecting;
  if (tile.seen) decode(tile.clip).then(() => { tile.fresh = false; });
}));

function browse() { setPlaying(false); document.body.classList.add("browsing"); }
async function open(clip) {
  document.body.classList.remove("browsing");
  player.view = { ...HOME };
  await show([clip], clip.cues);
  setPlaying(!CALM);
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
    if (text.textContent === name.textContent) text.textContent = "";
    canvas.setAttribute("aria-hidden", "true");
    tile.append(canvas, name, text); tile.onclick = () => open(clip);
    tiles.set(canvas, { clip, seen: false, fresh: false }); watcher.observe(canvas);
    return tile;
  }));
}

// As many tiles a frame as the machine draws in 12 ms; the others keep their picture until their turn comes.
let turnOf = 0;
function drawTiles(now) {
  const seen = [...tiles].filter(([, tile]) => tile.seen && tile.clip.numbers && !(CALM && tile.fresh)), until = performance.now() + 12;
  for (let k = 0; k < seen.length && performance.now() < until; k++) {
    const [canvas, tile] = seen[turnOf++ % seen.length];
    draw(canvas, tile.clip, CALM ? tile.clip.seconds / 2 : (now / 1000) % tile.clip.seconds, HOME);
    tile.fresh = true;
  }
}

let before = null;
function tick(now) {
  const passed = before === null ? 0 : Math.min((now - before) / 1000, 0.25);
  before = now;
  if (document.body.classList.contains("browsing")) drawTiles(now);
  else {
    if (player.playing) advance(passed);
    if (player.dirty) paint();
  }
  requestAnimationFrame(tick);
}

async function start() {
  $("title").textContent = data.cues.length && data.cues.every((cue) => cue[2] === data.title) ? "" : data.title;
  try { player.stage = await makeStage(); } catch (error) { console.warn(`no body, sticks instead: ${error.message}`); }
  if (data.sound) sound.src = data.sound;
  if (data.gallery) {
    document.body.classList.add("has-gallery");
    $("search").oninput = fill; $("back").onclick = browse;
    fill(); browse();
  } else {
    await show(data.clips, data.cues, data.title);
    startEditing();
    setPlaying(!CALM && !data.sound);
  }
  requestAnimationFrame(tick);
}
start();
