// Ghost text in a real VS Code, with the packed extension and the built program.
//
//   node vscode.mjs --editor CODE-SERVER --ghostline PROGRAM --extension VSIX --report FOLDER
//
// A Rust and a Python file are typed in. What is asserted are relations (the file after accepting is the text before it plus the
// ghost text that stood on the screen), never what the model says. Measured: from the key press, as the browser
// got it, to the end of the frame that shows the new ghost text.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { CASES } from './vscode_cases.mjs';
import { FILES, Session, asWindows } from './vscode_session.mjs';
import { Editor, servers, sleep, until } from './vscode_ui.mjs';

const OPTIONS = Object.fromEntries(['editor', 'ghostline', 'extension', 'report'].map((name) => [name, { type: 'string' }]));

/** VS Code asks this long after a change, whatever the server does. */
const VSCODE_DELAY = 50;

/**
 * The cases type the same text over and over, put suggestions away and take text back; each must begin as if nothing had
 * been. The case about what was put away switches its setting back.
 */
const EAGER = {
  'ghostline.eagerness.after_delete': true,
  'ghostline.eagerness.back_off': 0,
  'ghostline.eagerness.repeat_rejected': true,
};

/** Runs one case and prints how it went; the number of failures. */
async function attempt(label, title, work) {
  try {
    await work();
    console.log(`ok    ${label}: ${title}`);
    return 0;
  } catch (error) {
    console.log(`FAIL  ${label}: ${title}\n${error.stack ?? error}`);
    return 1;
  }
}

/**
 * Types the file's sample key by key, as fast as the answers come. A key after which new ghost text is painted is one
 * measurement: `answered` where the server had to say it, `along` where VS Code cut the typed character off what stood there.
 */
async function measure(session) {
  const times = { answered: [], along: [] };
  await session.startOver();
  for (const char of session.sample) {
    const before = await session.editor.ghost();
    await session.editor.clearLog();
    await session.editor.press(char === '\n' ? 'Enter' : char === ' ' ? 'Space' : char);
    const painted = (log) => log.find((entry) => entry.ghost !== undefined && entry.ghost !== '');
    await until(async () => painted(await session.editor.log()), 'ghost text', 400).catch(() => {});
    const log = await session.editor.log();
    const [key, shown] = [log.find((entry) => entry.key !== undefined), painted(log)];
    if (key && shown) {
      const isAlong = before !== '' && before[0] === char && shown.ghost === before.slice(1);
      times[isAlong ? 'along' : 'answered'].push(shown.at - key.at);
    }
    await session.closePopup();
    await sleep(30);
  }
  return times;
}

function summary(times) {
  const ordered = [...times].sort((a, b) => a - b);
  if (ordered.length === 0) {
    return 'no times';
  }
  const at = (share) => ordered[Math.min(ordered.length - 1, Math.round(share * (ordered.length - 1)))];
  return `n ${ordered.length}, p50 ${at(0.5).toFixed(0)} ms, p95 ${at(0.95).toFixed(0)} ms`;
}

async function noProcessIsLeft(program, before, ended) {
  if (!ended) {
    throw new Error('code-server hangs');
  }
  const left = () => servers(program).filter((id) => !before.includes(id));
  await until(() => left().length === 0, () => `these servers are left: ${left()}`, 3000);
}

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  const { editor: codeServer, ghostline, extension, report } = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, path.resolve(value)]),
  );
  fs.mkdirSync(report, { recursive: true });
  const bin = path.dirname(codeServer);
  const require = createRequire(path.join(bin, '../vscode/package.json'));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ghostline-editors-'));
  // What the driver of the browser leaves goes with the folder, too.
  process.env.TMPDIR = folder;
  const work = path.join(folder, 'project');
  fs.mkdirSync(path.join(work, '.git'), { recursive: true });
  for (const file of [...FILES, ...FILES.map(asWindows)]) {
    fs.writeFileSync(path.join(work, file.name), file.text);
  }

  const running = servers(ghostline);
  let failed = 0;
  let editor;
  const lines = [];
  try {
    editor = await Editor.start({
      codeServer,
      chromium: path.join(bin, 'chromium'),
      playwright: require('playwright-core'),
      extension,
      folder,
      work,
      cache: path.join(report, 'cache'),
      settings: { 'ghostline.path': ghostline, ...EAGER },
    });
    const all = { answered: [], along: [] };
    for (const file of FILES) {
      const session = new Session(editor, file, { ghostline, report, running });
      const label = `vscode ${file.name}`;
      if ((await attempt(label, 'the model is loaded and says something', () => session.open())) > 0) {
        failed += 1;
        continue;
      }
      for (const [title, work, only] of CASES) {
        if (only === undefined || only === file.name) {
          failed += await attempt(label, title, () => work(session));
        }
      }
      failed += await attempt(label, 'the time to ghost text is measured', async () => {
        const times = await measure(session);
        for (const kind of Object.keys(all)) {
          all[kind].push(...times[kind]);
        }
        await session.picture();
      });
    }
    lines.push(
      `key press to painted ghost text, ${VSCODE_DELAY} ms of it VS Code's own wait: ${summary(all.answered)}`,
      `key press to painted rest of the ghost text, where the key was its next character: ${summary(all.along)}`,
    );
  } finally {
    const ended = await editor?.stop();
    if (editor) {
      failed += await attempt('vscode', 'leaving it leaves no process behind', () => noProcessIsLeft(ghostline, running, ended));
    }
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  for (const line of lines) {
    console.log(`      vscode ${line}`);
  }
  fs.writeFileSync(path.join(report, 'vscode.txt'), lines.join('\n') + '\n');
  process.exit(failed === 0 ? 0 : 1);
}

await main();
