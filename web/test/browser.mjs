// Verifies golden models through web/pkg in headless Chromium.
//
//   node web/test/browser.mjs [--device gpu|cpu] [--long] [FOLDER …]
//
// FOLDER is a folder of m2bert in tests/golden, or in the tree that M2_GOLDEN_DIR names; without one
// all models there. --long embeds a text of 2,048 tokens with a model of 80 million seeded weights
// instead, on the GPU and on the CPU. Exits with 1 unless everything passes within its time.

import { readFile, readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const ROOT = new URL('../../', import.meta.url);
const GOLDEN = process.env.M2_GOLDEN_DIR
  ? new URL('m2bert/', pathToFileURL(`${resolve(process.env.M2_GOLDEN_DIR)}/`))
  : new URL('tests/golden/m2bert/', ROOT);
const PKG = new URL('../pkg/', import.meta.url);
const MODELS = /^(m2|hfbert|alibi)_/;
const MINUTES = 5;
const LONG = { preset: 'm2-bert-80m-2k', length: 2048, minutes: 60 };
const TYPES = { js: 'text/javascript', wasm: 'application/wasm', json: 'application/json' };

const { values, positionals } = parseArgs({
  options: { device: { type: 'string', default: 'gpu' }, long: { type: 'boolean' } },
  allowPositionals: true,
});

// WebGPU needs a secure context; loopback is one.
const server = createServer(async (request, response) => {
  const path = new URL(request.url, 'http://loopback').pathname;
  const [, root, ...rest] = path.split('/');
  const base = { pkg: PKG, golden: GOLDEN, repository: ROOT }[root];
  try {
    if (path === '/') {
      response.setHeader('content-type', 'text/html');
      return response.end('<!doctype html><title>M2</title><link rel="icon" href="data:,">');
    }
    if (!base || rest.includes('..')) throw new Error('not served');
    const bytes = await readFile(new URL(rest.join('/'), base));
    response.setHeader('content-type', TYPES[path.split('.').pop()] ?? 'application/octet-stream');
    response.end(bytes);
  } catch {
    response.statusCode = 404;
    response.end();
  }
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    // Root in a container has no sandbox.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--disable-quic',
    '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync',
  ],
});

let failed = 0;
try {
  console.log(`Chromium ${browser.version()}`);
  const page = await browser.newPage();
  page.on('console', (message) => console.log(`browser: ${message.text()}`));
  // A trap leaves its promise open for ever.
  const trapped = new Promise((_, reject) => page.on('pageerror', reject));
  trapped.catch(() => {});
  await page.goto(origin);
  const within = (minutes, work) => Promise.race([
    work,
    trapped,
    new Promise((_, reject) => setTimeout(
      () => reject(new Error(`no answer in ${minutes} minutes`)), minutes * 60_000).unref()),
  ]);
  const all = async () => (await readdir(GOLDEN)).filter((name) => MODELS.test(name)).sort();
  const folders = values.long ? [] : positionals.length ? positionals : await all();
  for (const folder of folders) {
    const start = performance.now();
    const report = await within(MINUTES, page.evaluate(verify, { folder, device: values.device }))
      .catch((error) => ({ passed: false, error: String(error) }));
    print(folder, report, seconds(start));
    failed += report.passed ? 0 : 1;
  }
  if (values.long) failed += await long(page, within) ? 0 : 1;
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failed ? 1 : 0;

// Runs in the page.
async function verify({ folder, device }) {
  const fetched = async (path) => {
    const response = await fetch(`/golden/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response;
  };
  const text = async (path) => (await fetched(path)).text();
  const bytes = async (path) => new Uint8Array(await (await fetched(path)).arrayBuffer());
  try {
    const m2 = await import('/pkg/m2_web.js');
    await m2.default();
    return JSON.parse(await m2.verify(
      await text(`${folder}/config.json`),
      await bytes(`${folder}/model.safetensors`),
      await bytes(`${folder}/io.safetensors`),
      await text('manifest.json'),
      folder,
      device,
    ));
  } catch (error) {
    return { passed: false, error: String(error) };
  }
}

function seconds(start) {
  return ((performance.now() - start) / 1000).toFixed(1);
}

// One long text on the GPU and on the CPU.
async function long(page, within) {
  const vectors = {};
  for (const device of ['gpu', 'cpu']) {
    const start = performance.now();
    vectors[device] = await within(LONG.minutes, page.evaluate(embed, { ...LONG, device }));
    console.log(`${LONG.preset}, ${LONG.length} tokens on ${device}: ${seconds(start)} s`);
  }
  const { gpu, cpu } = vectors;
  const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const cosine = dot(gpu, cpu) / Math.sqrt(dot(gpu, gpu) * dot(cpu, cpu));
  const top = Math.max(...cpu.map(Math.abs));
  const error = Math.max(...gpu.map((v, i) => Math.abs(v - cpu[i]))) / top;
  const passed = cosine >= 1 - 1e-6 && error < 2e-3;
  console.log(`  cosine 1 - ${(1 - cosine).toExponential(2)}, largest difference `
    + `${error.toExponential(2)} of the largest value: ${passed ? 'passed' : 'FAILED'}`);
  return passed;
}

// Runs in the page.
async function embed({ preset, length, device }) {
  const text = async (path) => (await (await fetch(`/repository/${path}`)).text());
  const m2 = await import('/pkg/m2_web.js');
  await m2.default();
  const vocabulary = await text('tests/data/bert-base-uncased/vocab.txt');
  const documents = await Promise.all(
    ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'BENCHMARKS.md'].map(text));
  const vector = await m2.embed_seeded(
    preset, length, 1, vocabulary, documents.join('\n'), device);
  return Array.from(vector);
}

function print(folder, report, seconds) {
  if (report.error) {
    console.log(`${folder}: FAILED: ${report.error}`);
    return;
  }
  for (const l of report.lines) {
    const verdict = l.passed ? 'ok' : 'FAILED';
    const numbers = `error ${l.error?.toExponential(2)}  limit ${l.limit.toExponential(2)}`;
    console.log(`  ${l.name.padEnd(34)} ${l.plan.padEnd(10)} ${numbers}  ${verdict}`);
  }
  for (const name of report.unknown) console.log(`  ${name} not a value of this model  FAILED`);
  console.log(`${folder} on ${report.device}: ${report.compared} of ${report.outputs} tensors`
    + ` compared, ${report.passed ? 'passed' : 'FAILED'} (${seconds} s)`);
}
