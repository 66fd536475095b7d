// One camera for bodies and sticks: it looks at the target, from a direction, and keeps the whole motion in the picture.
const FOCAL = 1.9, HOME = { azimuth: 0, elevation: 0.16, zoom: 1, x: 0, y: 0 };

function axes(view) {
  const ca = Math.cos(view.azimuth), sa = Math.sin(view.azimuth), ce = Math.cos(view.elevation), se = Math.sin(view.elevation);
  return { right: [ca, 0, -sa], up: [-sa * se, ce, -ca * se], back: [sa * ce, se, ca * ce] };
}

// `reach` are points around the target that must be seen from home; turning keeps the distance.
function needed(clip, width, height, focal) {
  const home = axes(HOME);
  return Math.max(...clip.reach.map((p) =>
    Math.max(Math.abs(dot(p, home.right)) * focal / (0.46 * width), Math.abs(dot(p, home.up)) * focal / (0.495 * height)) + dot(p, home.back)));
}

function cameraOf(clip, view, target, width, height, margins, distance) {
  const free = Math.max(height - margins.top - margins.bottom, height / 3), focal = FOCAL * height;
  const away = (distance || needed(clip, width, free, focal)) / view.zoom;
  // Who comes nearer wants to see hands and face.
  const seen = axes(view), lift = view.y + 0.62 * (1 - 1 / Math.max(view.zoom, 1)), at = target.map((value, k) => value + view.x * seen.right[k] + lift * (k === 1));
  return { ...seen, target: at, focal, away, width, height, x: width / 2, y: margins.top + free / 2 };
}

function project(camera, p) {
  const d = minus(p, camera.target), depth = Math.max(camera.away - dot(d, camera.back), 0.05), f = camera.focal / depth;
  return [camera.x + dot(d, camera.right) * f, camera.y - dot(d, camera.up) * f, depth, f];
}

const eyeOf = (camera) => camera.target.map((value, k) => value + camera.away * camera.back[k]);

// Column by column, as WebGL wants it.
function lens(camera, near = 0.1, far = 60) {
  const { right, up, back, target, focal, away, width, height, x, y } = camera, deep = (far + near) / (far - near);
  const row = (axis, sign, more) => [sign * axis[0], sign * axis[1], sign * axis[2], more - sign * dot(axis, target)];
  const a = row(right, 1, 0), b = row(up, 1, 0), c = row(back, -1, away);
  const rows = [
    a.map((value, k) => (2 * focal / width) * value + (2 * x / width - 1) * c[k]),
    b.map((value, k) => (2 * focal / height) * value + (1 - 2 * y / height) * c[k]),
    c.map((value, k) => deep * value - (k === 3 ? (deep + 1) * near : 0)), c];
  return new Float32Array([0, 1, 2, 3].flatMap((column) => rows.map((line) => line[column])));
}
