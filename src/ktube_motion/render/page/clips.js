"use strict";
// Motion out of the page: rotations of the body's joints, or joints alone, as int16 differences in base64 and deflate.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Channels lie one after the other, each as differences in time; int16 sums wrap as they were made to.
async function decode(clip) {
  if (clip.numbers) return clip;
  const numbers = new Int16Array(await unpack(clip.data)), frames = clip.frames;
  for (let k = 0; k < numbers.length; k++) if (k % frames) numbers[k] += numbers[k - 1];
  clip.numbers = numbers;
  clip.seconds = frames / clip.fps;
  return clip;
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a) => { const size = Math.hypot(...a) || 1; return a.map((value) => value / size); };
const turn = (m, v) => [m[0] * v[0] + m[1] * v[1] + m[2] * v[2], m[3] * v[0] + m[4] * v[1] + m[5] * v[2], m[6] * v[0] + m[7] * v[1] + m[8] * v[2]];
const times = (a, b) => a.map((_, k) => { const r = 3 * Math.floor(k / 3), c = k % 3; return a[r] * b[c] + a[r + 1] * b[c + 3] + a[r + 2] * b[c + 6]; });

function matrix(x, y, z, w) {
  const s = 2 / (x * x + y * y + z * z + w * w);
  return [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w), s * (x * y + z * w), 1 - s * (x * x + z * z),
    s * (y * z - x * w), s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)];
}

// Give joints, the frame of the head (left, up, forward as columns), where the camera looks, and what moves the mesh.
function pose(clip, time) {
  const frames = clip.frames, place = Math.min(Math.max(time * clip.fps, 0), frames - 1), first = Math.floor(place);
  const next = Math.min(first + 1, frames - 1), share = place - first;
  const raw = (channel) => clip.numbers[channel * frames + first] * (1 - share) + clip.numbers[channel * frames + next] * share;
  const point = (channel) => [0, 1, 2].map((axis) => raw(channel + axis) * clip.scale + clip.middle[axis]);
  const target = clip.target || point(clip.channels - 3);
  return clip.turns ? bodyPose(clip, raw, point(0), target) : jointPose(clip, point, target);
}

function bodyPose(clip, raw, root, target) {
  const rest = data.shapes[clip.shape].rest, joints = [], turns = [], moves = new Float32Array(660);
  const channel = new Map(clip.turns.map((joint, k) => [joint, 3 + 4 * k]));
  data.parents.forEach((parent, joint) => {
    const from = channel.get(joint), q = from === undefined ? clip.still[joint] : [0, 1, 2, 3].map((k) => raw(from + k));
    const local = matrix(...q);
    turns[joint] = parent < 0 ? local : times(turns[parent], local);
    const bone = parent < 0 ? root : turn(turns[parent], minus(rest[joint], rest[parent]));
    joints[joint] = parent < 0 ? root : bone.map((value, axis) => value + joints[parent][axis]);
    const shift = turn(turns[joint], rest[joint]);
    for (let row = 0; row < 3; row++) {
      moves.set(turns[joint].slice(3 * row, 3 * row + 3), 12 * joint + 4 * row);
      moves[12 * joint + 4 * row + 3] = joints[joint][row] - shift[row];
    }
  });
  return { joints, head: turns[clip.sticks.head], target, moves };
}

function jointPose(clip, point, target) {
  const joints = Array.from({ length: clip.joints }, (_, joint) => point(3 * joint)), { head, neck } = clip.sticks;
  if (head < 0) return { joints, head: null, target };
  const up = unit(minus(joints[head], joints[neck]));
  if (!clip.faces) return { joints, head: [0, up[0], 0, 0, up[1], 0, 0, up[2], 0], target };
  const forward = unit(minus(point(3 * clip.joints), joints[head])), left = cross(up, forward);
  return { joints, head: [0, 1, 2].flatMap((k) => [left[k], up[k], forward[k]]), target };
}
