// Editing: a span and a sentence for it, saved as a small file for `ktube-motion edit`, which makes the span again.
const changes = [];
const clamp = (value, high) => Math.min(Math.max(Number(value) || 0, 0), high);

function listChanges() {
  $("changes").replaceChildren(...changes.map((change, k) => {
    const item = document.createElement("li"), text = document.createElement("span"), away = document.createElement("button");
    text.textContent = `${change.start.toFixed(2)}–${change.end.toFixed(2)} ${change.text}`;
    away.type = "button"; away.textContent = "✕"; away.setAttribute("aria-label", `지우기: ${change.text}`);
    away.onclick = () => { changes.splice(k, 1); listChanges(); };
    item.append(text, away);
    return item;
  }));
  $("save").disabled = !changes.length;
  markSpans();
}

function markSpans() {
  const open = !$("editor").hidden, now = { start: clamp($("from").value, player.seconds), end: clamp($("to").value, player.seconds) };
  $("spans").replaceChildren(...(open ? [...changes, now] : []).filter(({ start, end }) => end > start).map(({ start, end }) => {
    const mark = document.createElement("i");
    mark.style.left = `${(100 * start) / player.seconds}%`;
    mark.style.width = `${(100 * (end - start)) / player.seconds}%`;
    return mark;
  }));
}

function addChange() {
  const clip = player.clips[Number($("whose").value) || 0], start = clamp($("from").value, clip.seconds), end = clamp($("to").value, clip.seconds);
  const text = $("words").value.trim(), crossing = changes.some((change) => start < change.end && change.start < end);
  const wrong = end <= start ? "끝이 시작보다 뒤여야 합니다." : !text ? "할 말을 적어 주세요." : crossing ? "다른 구간과 겹칩니다." : "";
  $("told").textContent = wrong;
  if (wrong) return;
  changes.push({ start, end, text });
  changes.sort((a, b) => a.start - b.start);
  $("words").value = "";
  listChanges();
}

function editFile() {
  const clip = player.clips[Number($("whose").value) || 0];
  return { format: "ktube_motion edit", version: 1, motion: clip.name, fps: clip.source_fps, frames: clip.source_frames, changes };
}

function saveChanges() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(editFile(), null, 1)], { type: "application/json" }));
  link.download = "edit.json";
  link.click();
  URL.revokeObjectURL(link.href);
  $("told").textContent = "edit.json을 저장했습니다.";
}

function startEditing() {
  $("whose").replaceChildren(...player.clips.map((clip, k) => new Option(clip.name || `동작 ${k + 1}`, k)));
  $("whose").style.display = player.clips.length > 1 ? "" : "none";
  $("whose").onchange = () => { changes.length = 0; listChanges(); };
  $("edit").onclick = () => {
    $("editor").hidden = !$("editor").hidden;
    $("edit").setAttribute("aria-expanded", String(!$("editor").hidden));
    markSpans(); player.dirty = true;
  };
  const mark = (field) => () => { if ($("editor").hidden) $("edit").onclick(); $(field).value = player.time.toFixed(2); markSpans(); };
  $("here").onclick = mark("from");
  $("there").onclick = mark("to");
  $("from").oninput = $("to").oninput = markSpans;
  $("editor").onsubmit = (event) => { event.preventDefault(); addChange(); };
  $("save").onclick = saveChanges;
}
