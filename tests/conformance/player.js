// Plays a package in a page: play(job) resolves to what was seen. Whatever a player calls an error is in the report.
"use strict";

const SECONDS = 20; // for any one step; a play that takes longer hangs
const QUIET = 100; // milliseconds without a fetch: a player has all it wants
const SLOWER = [1 / 2, 1 / 4]; // of the playback rate, for what is played again
const SAME = 0.1; // seconds
const LAST = 3; // frames
// What hls.js says of the stalls that are judged here, and of a fetch it gave up because it was told to go elsewhere.
const STALLS = ["bufferStalledError", "bufferNudgeOnStall", "aborted"];
// What hls.js 1.7 says, not fatal, of the first segments of our transport streams (of FFmpeg's own only the first): its zero is the first
// decoding time, pictures and sound begin after it. What is buffered in the end is judged here.
const BEGINNINGS = ["bufferAppendNoProgress", "bufferSeekOverHole"];
performance.setResourceTimingBufferSize(10000);

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(what, probe, state) {
  const end = performance.now() + SECONDS * 1000;
  for (;;) {
    const found = probe();
    if (found) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${SECONDS} s; ${JSON.stringify(state())}`);
    await pause(10);
  }
}

const ranges = (video) =>
  Array.from({ length: video.buffered.length }, (_, i) => [video.buffered.start(i), video.buffered.end(i)]);

const look = (video) => ({
  time: video.currentTime, duration: video.duration, ranges: ranges(video), ready: video.readyState, ended: video.ended,
  size: [video.videoWidth, video.videoHeight], error: video.error && video.error.message,
});

// One interface over both players: open() resolves to the number of levels; level(i) chooses one.
const players = {
  hls(video, job, errors) {
    const hls = new Hls({
      startLevel: 0, maxBufferLength: 600, maxMaxBufferLength: 600, backBufferLength: Infinity,
      capLevelToPlayerSize: false, startPosition: 0,
    });
    hls.on(Hls.Events.ERROR, (_, data) => {
      const known = job.transport ? [...STALLS, ...BEGINNINGS] : STALLS;
      if (data.fatal || !known.includes(data.details))
        errors.push(`${data.type} ${data.details} ${data.error || data.reason || ""}`);
    });
    return {
      async open() {
        const parsed = new Promise((resolve) => hls.once(Hls.Events.MANIFEST_PARSED, resolve));
        hls.loadSource(job.url);
        hls.attachMedia(video);
        await Promise.race([parsed, pause(SECONDS * 1000).then(() => { throw new Error(`no levels: ${errors}`); })]);
        hls.loadLevel = 0;
        return hls.levels.map((level) => (level.width ? [level.width, level.height] : [level.bitrate, 0])); // sound alone
      },
      folder: (number) => new URL(".", hls.levels[number].url[0]).href,
      level(number) { hls.currentLevel = number; },
      tracks: () => hls.audioTracks.map((track) => [track.name, track.lang]),
      track(number) { hls.audioTrack = number; },
      close() { hls.destroy(); },
    };
  },
  dash(video, job, errors) {
    const dash = dashjs.MediaPlayer().create();
    dash.updateSettings({
      streaming: {
        abr: { autoSwitchBitrate: { video: false, audio: false }, initialBitrate: { video: 1 } },
        buffer: { bufferTimeDefault: 600, bufferTimeAtTopQuality: 600, bufferTimeAtTopQualityLongForm: 600,
                  bufferToKeep: 600, fastSwitchEnabled: true },
        gaps: { jumpGaps: false, jumpLargeGaps: false, enableSeekFix: false, enableStallFix: false },
      },
      debug: { logLevel: 0 },
    });
    if (job.keys) {
      const base64 = (hex) => btoa(String.fromCharCode(...hex.match(/../g).map((byte) => parseInt(byte, 16))))
        .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
      dash.setProtectionData({ "org.w3.clearkey": { clearkeys: { [base64(job.keys.kid)]: base64(job.keys.key) } } });
    }
    const all = (kind) => [...(dash.getRepresentationsByType(kind) || [])];
    const kind = () => (all("video").length ? "video" : "audio");
    const list = () => all(kind());
    for (const name of ["error", "playbackError"])
      dash.on(name, (event) => errors.push(`${name} ${JSON.stringify(event.error || event.message || "")}`));
    return {
      async open() {
        const ready = new Promise((resolve) => dash.on("streamInitialized", resolve));
        dash.initialize(video, job.url, false);
        await Promise.race([ready, pause(SECONDS * 1000).then(() => { throw new Error(`no streams: ${errors}`); })]);
        return list().map((level) => (level.width ? [level.width, level.height] : [level.bandwidth, 0]));
      },
      folder: (number) => `/${kind() === "video" ? list()[number].id : list()[number].id.replace("-", "/")}/`,
      level(number) { dash.setRepresentationForTypeByIndex(kind(), number, true); },
      tracks: () => dash.getTracksFor("audio").map((track) => [track.id, track.lang]),
      track(number) { dash.setCurrentTrack(dash.getTracksFor("audio")[number]); },
      close() { dash.destroy(); },
    };
  },
};

// The spread of brightness of what is shown: a picture has some, a blank screen has none.
function spread(video) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 16;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, 16, 16);
  const grey = context.getImageData(0, 0, 16, 16).data.filter((_, i) => i % 4 === 1);
  return Math.max(...grey) - Math.min(...grey);
}

// Whether something was fetched from a folder, and all fetches are done for a while.
function settled(folder) {
  const fetched = performance.getEntriesByType("resource");
  const quiet = performance.now() - Math.max(...fetched.map((entry) => entry.responseEnd)) > QUIET;
  return quiet && fetched.some((entry) => entry.name.includes(folder) && !entry.name.endsWith("media.m3u8"));
}

// Plays from a time to the end: how many pictures were decoded, and the times it had to wait for what was buffered.
async function once(video, job, from, rate) {
  const state = () => look(video);
  const before = video.getVideoPlaybackQuality().totalVideoFrames; // the first pictures are decoded with the seek
  if (video.currentTime !== from) video.currentTime = from;
  await until("at its place", () => !video.seeking || video.error, state);
  const waits = [];
  // At the start it may still decode; in the end it holds pictures back until it knows that none follows.
  const wait = () => {
    const time = video.currentTime;
    if (time > from + job.frame && time < job.seconds - LAST * job.frame) waits.push(time);
  };
  video.addEventListener("waiting", wait);
  video.playbackRate = rate;
  video.play().catch((error) => { throw error; });
  const over = () => {
    if (video.paused && !video.ended) video.play().catch((error) => { throw error; }); // dash.js may still end the pass before
    return video.ended || video.currentTime >= video.duration || video.error;
  };
  await until("ended", over, state);
  video.removeEventListener("waiting", wait);
  if (video.error) throw new Error(`media error: ${video.error.message}`);
  return { waits, frames: video.getVideoPlaybackQuality().totalVideoFrames - before };
}

// Plays from a time to the end, once all of it is buffered. Where it stalls it is played again, slower: a busy machine
// makes it wait somewhere, a hole always at the same place.
async function through(video, job, from, expected) {
  const buffered = ([start, end]) => start <= Math.max(from, job.start) + job.frame && end >= job.seconds - job.frame;
  await until("buffered", () => ranges(video).some(buffered) || video.error, () => look(video));
  const before = ranges(video);
  const first = video.currentTime === from && !video.ended;
  let { waits: stalls, frames } = await once(video, job, from, job.rate);
  if (first) frames = video.getVideoPlaybackQuality().totalVideoFrames; // some were decoded before it began
  for (const rate of SLOWER.map((part) => job.rate * part)) {
    if (!stalls.length && frames >= expected) break;
    const again = await once(video, job, from, rate);
    stalls = stalls.filter((stall) => again.waits.some((time) => Math.abs(time - stall) < SAME));
    frames = Math.max(frames, again.frames);
  }
  return { ...look(video), audioBytes: video.webkitAudioDecodedByteCount, frames, stalls, ranges: before, spread: spread(video) };
}

async function play(job) {
  const video = document.body.appendChild(document.createElement("video"));
  const errors = [];
  const player = players[job.player](video, job, errors);
  const state = () => ({ ...look(video), errors });
  const report = { plays: [], errors };
  report.levels = await player.open();
  report.tracks = player.tracks();
  report.plays.push(await through(video, job, 0, job.frames));
  for (let number = 1; number < report.levels.length; number++) {
    const middle = job.seconds / 2;
    video.pause();
    video.currentTime = middle;
    await until("seeked", () => !video.seeking || video.error, state);
    player.level(number);
    await until(`level ${number}`, () => settled(player.folder(number)) || video.error, state);
    video.currentTime = middle + job.frame / 4; // Chromium goes on with the pictures it has, of the level before
    await until("seeked again", () => !video.seeking || video.error, state);
    report.plays.push(await through(video, job, middle, Math.min(job.frames, 1)));
  }
  player.close();
  video.remove();
  return report;
}
