// Verifies golden models through web/pkg in headless Chromium.
//
//   node web/test/browser.mjs [--device gpu|cpu] [FOLDER …]
//
// FOLDER is a folder of tests/golden/m2bert. Exits with 1 unless every one passes within its time.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const GOLDEN = new URL('../../tests/golden/m2bert/', import.meta.url);
const PKG = new URL('../pkg/', import.meta.url);
const FOLDERS = ['m2_h64_l2_s32', 'hfbert_h64_l2_s32'];
const MINUTES = 5;
const TYPES = { js: 'text/javascript', wasm: 'application/wasm', json: 'application/json' };

const { values, positionals } = parseArgs({
  options: { device: { type: 'string', default: 'gpu' } },
  allowPositionals: true,
});

// WebGPU needs a secure context; loopback is one.
const server = createServer(async (request, response) => {
  const path = new URL(request.url, 'http://loopback').pathname;
  const [, root, ...rest] = path.split('/');
  const base = { pkg: PKG, golden: GOLDEN }[root];
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
  for (const folder of positionals.length ? positionals : FOLDERS) {
    const start = performance.now();
    const report = await Promise.race([
      page.evaluate(verify, { folder, device: values.device }),
      trapped,
      new Promise((_, reject) => setTimeout(
        () => reject(new Error(`no answer in ${MINUTES} minutes`)), MINUTES * 60_000).unref()),
    ]).catch((error) => ({ passed: false, error: String(error) }));
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    print(folder, report, seconds);
    failed += report.passed ? 0 : 1;
  }
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
