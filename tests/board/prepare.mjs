// Unpacks the browser that came from npm, finds out how it starts on this machine, and writes that down in `browser.json`.
// Where npm has none for the platform, an installed Chrome or Edge does, or the one that AURA_TEST_BROWSER names.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = path.resolve(process.argv[2]);
const { chromium } = createRequire(path.join(folder, 'package.json'))('playwright-core');

async function unpacked() {
  const unpack = path.join(folder, 'browser');
  fs.rmSync(unpack, { recursive: true, force: true });
  fs.mkdirSync(unpack, { recursive: true });
  process.env.TMPDIR = unpack;
  const packed = path.join(folder, 'node_modules/@sparticuz/chromium');
  const { inflate } = await import(pathToFileURL(path.join(packed, 'build/esm/lambdafs.js')));
  await Promise.all(['chromium.br', 'fonts.tar.br', 'swiftshader.tar.br', 'al2023.tar.br'].map((file) => inflate(path.join(packed, 'bin', file))));
  const fonts = path.join(unpack, 'fonts');
  fs.writeFileSync(path.join(fonts, 'fonts.conf'), `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family><family>Liberation Mono</family></prefer></alias><dir>${fonts}</dir><dir>/usr/share/fonts</dir><cachedir>${unpack}/fonts-cache</cachedir></fontconfig>
`);
  return { executablePath: path.join(unpack, 'chromium'), fonts, libraries: path.join(unpack, 'al2023', 'lib') };
}

/** The machine's own libraries where it has them, those that came along otherwise; in a sandbox where there can be one. */
async function ways() {
  const named = process.env.AURA_TEST_BROWSER;
  if (named) return [{ executablePath: named }];
  if (process.platform !== 'linux' || process.arch !== 'x64') return [{ channel: 'chrome' }, { channel: 'msedge' }];
  const { executablePath, fonts, libraries } = await unpacked();
  const env = { FONTCONFIG_PATH: fonts };
  return [{ executablePath, env }, { executablePath, env: { ...env, LD_LIBRARY_PATH: libraries } }];
}

const failures = [];
for (const way of await ways()) {
  for (const chromiumSandbox of process.getuid?.() === 0 ? [false] : [true, false]) {
    try {
      const browser = await chromium.launch({ ...way, chromiumSandbox, env: { ...process.env, ...way.env } });
      const page = await browser.newPage();
      await page.setContent('<p>Here</p>');
      await browser.close();
      fs.writeFileSync(path.join(folder, 'browser.json'), JSON.stringify({ ...way, chromiumSandbox }));
      process.exit(0);
    } catch (error) {
      failures.push(error.message.split('\n').filter((line) => /error|cannot|Executable|not found/i.test(line)).slice(0, 3).join(' '));
    }
  }
}
console.error(`no browser starts on ${process.platform}-${process.arch} (AURA_TEST_BROWSER names another): ${failures.join(' | ')}`);
process.exit(1);
