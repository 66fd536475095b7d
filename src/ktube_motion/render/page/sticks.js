// The stick figure, for skeletons that are no SMPL-X body and machines without WebGL; the same strokes as in videos.
const COLORS = data.colors, SIZES = data.sticks;

function stroke(g, points, width, color, filled = false) {
  g.strokeStyle = g.fillStyle = color; g.lineWidth = width; g.beginPath();
  points.forEach((p, k) => k ? g.lineTo(p[0], p[1]) : g.moveTo(p[0], p[1]));
  if (filled) { g.closePath(); g.fill(); }
  g.stroke();
}

function ground(g, camera, floor) {
  const step = 0.5, reach = 3, [x, , z] = camera.target, mx = Math.round(x / step) * step, mz = Math.round(z / step) * step;
  for (let k = -reach; k <= reach + 1e-6; k += step) {
    for (const ends of [[[mx - reach, floor, mz + k], [mx + reach, floor, mz + k]], [[mx + k, floor, mz - reach], [mx + k, floor, mz + reach]]]) {
      const line = ends.map((p) => project(camera, p));
      if (line[0][2] > 0.2 && line[1][2] > 0.2) stroke(g, line, 1, COLORS.grid);
    }
  }
}

function trailOf(g, clip, time, camera) {
  const last = Math.min(Math.floor(time * clip.fps), clip.frames - 1), line = [];
  for (let k = 0; k <= last; k++) {
    const at = (axis) => clip.numbers[axis * clip.frames + k] * clip.scale + clip.middle[axis];
    line.push(project(camera, [at(0), clip.floor, at(2)]));
  }
  stroke(g, line, 0.014 * project(camera, camera.target)[3], COLORS.trail + "bf");
}

function skull(clip, now, camera) {
  const { head } = clip.sticks, base = now.joints[head], m = now.head;
  const at = (p) => turn(m, p).map((value, k) => value + base[k]);
  const ball = SIZES.skull.map((p) => project(camera, at(p))), depth = (ball[0][2] + ball[1][2]) / 2, scale = camera.focal / depth;
  const order = [{ depth, points: ball, width: SIZES.skull_width * scale, color: COLORS.middle }];
  const forward = [m[2], m[5], m[8]], towards = unit(minus(eyeOf(camera), base));
  if (!forward.some(Boolean)) return { depth, order };
  const nose = { points: SIZES.nose.map((p) => project(camera, at(p))), width: 0.024 * scale, color: COLORS.soft };
  if (dot(forward, towards) > 0) order.push(nose); else order.unshift(nose);
  for (const eye of SIZES.eyes) {
    if (dot(turn(m, unit(minus(eye, [0, 0.085, 0.018]))), towards) <= 0.15) continue;
    const spot = project(camera, at(eye));
    order.push({ points: [spot, [spot[0] + 0.01, spot[1]]], width: 0.024 * scale, color: COLORS.paper, bare: true });
  }
  return { depth, order };
}

function strokesOf(clip, now, camera) {
  const dots = now.joints.map((p) => project(camera, p)), { limbs, palms, fingers, head, tip } = clip.sticks;
  const top = head < 0 ? null : skull(clip, now, camera), list = [];
  for (const [parent, joint, side] of limbs) {
    let depth = (dots[parent][2] + dots[joint][2]) / 2;
    if (joint === head) depth = Math.max(depth, top.depth + 1e-3);
    list.push({ depth, points: [dots[parent], dots[joint]], width: SIZES.limb * camera.focal / depth, color: COLORS[side] });
  }
  for (const [side, palm] of palms) {
    if (palm.length < 3) continue;
    const depth = palm.reduce((sum, joint) => sum + dots[joint][2], 0) / palm.length;
    list.push({ depth, points: palm.map((joint) => dots[joint]), width: SIZES.palm * camera.focal / depth, color: COLORS[side], filled: true });
  }
  for (const [side, chain] of fingers) {
    const points = chain.map((joint) => now.joints[joint]), end = points.length - 1;
    if (tip && end > 0) { const along = unit(minus(points[end], points[end - 1])); points.push(points[end].map((value, k) => value + tip * along[k])); }
    const line = points.map((p) => project(camera, p)), depth = line.reduce((sum, p) => sum + p[2], 0) / line.length - 1e-3;
    list.push({ depth, points: line, width: SIZES.finger * camera.focal / depth, color: COLORS[side] });
  }
  list.sort((a, b) => b.depth - a.depth);
  if (top) { const nearer = list.findIndex((item) => item.depth < top.depth); list.splice(nearer < 0 ? list.length : nearer, 0, ...top.order); }
  return list;
}

function drawSticks(g, clip, now, camera) {
  ground(g, camera, clip.floor);
  const shade = now.joints.map((p) => project(camera, [p[0], clip.floor, p[2]])), wide = 0.07 * project(camera, camera.target)[3];
  g.globalAlpha = 0.14;
  g.strokeStyle = COLORS.middle; g.lineWidth = wide; g.beginPath();
  for (const [parent, joint] of clip.sticks.limbs) { g.moveTo(shade[parent][0], shade[parent][1]); g.lineTo(shade[joint][0], shade[joint][1]); }
  g.stroke();
  g.globalAlpha = 1;
  for (const { points, width, color, filled, bare } of strokesOf(clip, now, camera)) {
    const thick = Math.max(width, 1.5);
    if (!bare) stroke(g, points, thick + Math.min(Math.max(1.5, 0.25 * thick), 5), COLORS.paper, filled);
    stroke(g, points, thick, color, filled);
  }
}
