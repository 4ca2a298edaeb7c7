// A real VS Code without a screen: code-server on a free port of this machine, a headless Chromium as its window, and what a
// person does there with keys. Everything it writes lies in one folder, which the caller removes.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { watch } from './vscode_page.mjs';

/** Longer than anything takes on a busy machine. Reached only when something is wrong. */
export const PATIENCE = 20_000;

// Whatever would open, blink, phone home or stand in the picture is off; how ghost text and the popup behave is VS Code's default.
const SETTINGS = {
  'chat.disableAIFeatures': true,
  'editor.cursorBlinking': 'solid',
  'editor.fontFamily': 'monospace',
  'editor.minimap.enabled': false,
  'editor.occurrencesHighlight': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': 'off',
  'extensions.ignoreRecommendations': true,
  'files.autoSave': 'off',
  'files.hotExit': 'off',
  'git.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'workbench.colorTheme': 'Dark Modern',
  'workbench.enableExperiments': false,
  'workbench.layoutControl.enabled': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

// Commands that have no key, or one that the browser keeps for itself.
const KEYS = {
  revert: ['Control+Alt+F6', 'workbench.action.files.revert'],
  split: ['Control+Alt+F7', 'workbench.action.moveEditorToRightGroup'],
  closeAll: ['Control+Alt+F8', 'workbench.action.closeAllEditors'],
  trigger: ['Control+Alt+F9', 'editor.action.inlineSuggest.trigger'],
  clearNotifications: ['Control+Alt+F10', 'notifications.clearAll'],
  cursorAbove: ['Control+Alt+F12', 'editor.action.insertCursorAbove'],
  joinGroups: ['Control+Alt+F11', 'workbench.action.editorLayoutSingle'],
};

export async function until(condition, what, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  for (;;) {
    const result = await condition();
    if (result) {
      return result;
    }
    if (Date.now() > deadline) {
      throw new Error(`${typeof what === 'function' ? await what() : what}: not within ${patience / 1000} s`);
    }
    await sleep(15);
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The ids of the running processes of `program lsp`. */
export function servers(program) {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((id) => {
    try {
      const command = fs.readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0');
      return command.includes(program) && command.includes('lsp');
    } catch {
      return false;
    }
  });
}

export class Editor {
  /** Installs the extension, starts the server and opens `work` in a browser window. */
  static async start({ codeServer, chromium, playwright, extension, folder, work, cache, settings }) {
    const editor = new Editor();
    const data = path.join(folder, 'user');
    fs.mkdirSync(path.join(data, 'User'), { recursive: true });
    fs.mkdirSync(path.join(data, 'Machine'), { recursive: true });
    fs.writeFileSync(path.join(data, 'User/settings.json'), JSON.stringify(SETTINGS));
    // Paths of programs are settings of the machine on which the server runs.
    editor.settingsFile = path.join(data, 'Machine/settings.json');
    editor.set(settings);
    const keys = Object.values(KEYS).map(([key, command]) => ({ key: key.toLowerCase().replace('control', 'ctrl'), command }));
    fs.writeFileSync(path.join(data, 'User/keybindings.json'), JSON.stringify(keys));

    // The user's own settings do not exist here, and no gallery is asked.
    const foreign = /^(XDG_|GHOSTLINE_|VSCODE_|CODE_SERVER_)/;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
    Object.assign(env, {
      HOME: folder,
      XDG_CONFIG_HOME: path.join(folder, 'config'),
      XDG_DATA_HOME: path.join(folder, 'data'),
      XDG_STATE_HOME: path.join(folder, 'state'),
      // The built-in model is written here once and used by every run.
      XDG_CACHE_HOME: cache,
      // Sockets and the like go with the folder.
      TMPDIR: folder,
      LC_ALL: 'C.UTF-8',
      EXTENSIONS_GALLERY: '{}',
    });
    const folders = ['--user-data-dir', data, '--extensions-dir', path.join(folder, 'extensions')];
    const installed = spawnSync(codeServer, [...folders, '--install-extension', extension], { env, encoding: 'utf8', cwd: folder });
    if (installed.status !== 0 || !installed.stdout.includes('successfully installed')) {
      throw new Error(`the extension cannot be installed:\n${installed.stdout}${installed.stderr}`);
    }

    const port = await freePort();
    const log = fs.openSync(path.join(folder, 'code-server.log'), 'w');
    const flags = ['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, '--disable-telemetry', '--disable-update-check'];
    flags.push('--disable-workspace-trust', '--disable-getting-started-override');
    editor.process = spawn(codeServer, [...folders, ...flags, work], { env, cwd: folder, stdio: ['ignore', log, log] });
    editor.ended = new Promise((resolve) => editor.process.once('exit', resolve));
    editor.work = work;
    try {
      const address = `http://127.0.0.1:${port}`;
      await until(() => fetch(`${address}/healthz`).then((answer) => answer.ok, () => false), 'code-server answers');
      editor.browser = await playwright.chromium.launch({
        executablePath: chromium,
        env,
        args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
          '--disable-component-update', '--disable-sync'],
      });
      const context = await editor.browser.newContext({ viewport: { width: 1100, height: 500 } });
      await context.addInitScript(watch);
      editor.page = await context.newPage();
      await editor.page.goto(`${address}/?folder=${encodeURIComponent(work)}`);
      await editor.page.waitForSelector('.explorer-folders-view .monaco-list-row', { timeout: 2 * PATIENCE });
    } catch (error) {
      await editor.stop();
      throw new Error(`${error.message}\n${fs.readFileSync(path.join(folder, 'code-server.log'), 'utf8').slice(-2000)}`);
    }
    return editor;
  }

  /** Writes the machine's settings; the editor takes them over by itself. */
  set(settings) {
    this.settings = { ...this.settings, ...settings };
    fs.writeFileSync(this.settingsFile, JSON.stringify(this.settings));
  }

  /** Whether code-server ended within a few seconds of being told to. */
  async stop() {
    await this.browser?.close();
    this.process.kill('SIGTERM');
    const ended = await Promise.race([this.ended.then(() => true), sleep(8000).then(() => false)]);
    if (!ended) {
      this.process.kill('SIGKILL');
    }
    return ended;
  }

  // Keys ------------------------------------------------------------------------------------------

  async press(...keys) {
    for (const key of keys) {
      await this.page.keyboard.press(KEYS[key]?.[0] ?? key);
    }
  }

  /** Types as a person does, one key after the other. */
  async type(text, pause = 40) {
    for (const char of text) {
      await this.page.keyboard.type(char);
      await sleep(pause);
    }
  }

  /** Runs a command by its name in the command palette. */
  async command(name) {
    await this.press('F1');
    await this.page.waitForSelector('.quick-input-widget input:focus');
    await this.page.keyboard.insertText(`>${name}`);
    await until(async () => (await this.rows())[0]?.includes(name), async () => `the palette finds ${name}: ${await this.rows()}`);
    await this.press('Enter');
  }

  /** The lines of the open quick input (palette, menu). */
  rows() {
    return this.page.$$eval('.quick-input-list .monaco-list-row', (rows) => rows.map((row) => row.getAttribute('aria-label') ?? row.textContent));
  }

  // Files -----------------------------------------------------------------------------------------

  async open(name) {
    await this.press('Escape', 'Escape', 'Control+p');
    await this.page.waitForSelector('.quick-input-widget input:focus');
    await this.page.keyboard.insertText(name);
    await until(async () => (await this.rows())[0]?.startsWith(name), `quick open finds ${name}`);
    await this.press('Enter');
    await until(async () => (await this.title()) === name && (await this.isFocused()), `${name} is open`);
  }

  title() {
    return this.page.evaluate(() => document.querySelector('.editor-group-container.active .tab.active')?.getAttribute('data-resource-name') ?? '');
  }

  isFocused() {
    return this.page.evaluate(() => document.querySelector('.monaco-editor.focused') !== null);
  }

  isDirty() {
    return this.page.evaluate(() => document.querySelector('.editor-group-container.active .tab.active.dirty') !== null);
  }

  file(name) {
    return path.join(this.work, name);
  }

  /** The open file holds `text`, in the editor and on disk, and the cursor stands at its end. */
  async reset(name, text) {
    await this.press('Escape', 'Escape', 'Escape');
    fs.writeFileSync(this.file(name), text);
    const lines = text.split(/\r?\n/);
    const end = `Ln ${lines.length}, Col ${lines.at(-1).length + 1}`;
    // The text comes from the disk some time after the command, and takes the cursor along.
    await until(async () => {
      await this.press('revert', 'Control+End');
      await sleep(80);
      return !(await this.isDirty()) && (await this.status()).includes(end) && (await this.lastLine()) === lines.at(-1);
    }, async () => `the file is taken back, the cursor at ${end}: ${await this.status()}`);
  }

  /** The text of the lowest line in view, ghost text left out. */
  lastLine() {
    return this.page.evaluate(() => {
      const lines = [...document.querySelectorAll('.editor-group-container.active .view-lines > .view-line')];
      const last = lines.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top).at(-1)?.cloneNode(true);
      last?.querySelectorAll('[class*="ghost-text-decoration"]').forEach((node) => node.remove());
      return last?.textContent.replaceAll('\u00a0', ' ').replaceAll('\u200b', '');
    });
  }

  /** What the open file holds, after saving it. */
  async save(name) {
    // A change shows in the tab a moment later; without one there is nothing to wait for.
    await until(() => this.isDirty(), 'the file is changed', 500).catch(() => {});
    await this.press('Control+s');
    await until(async () => !(await this.isDirty()), 'the file is saved');
    return fs.readFileSync(this.file(name), 'utf8');
  }

  // Ghost text ------------------------------------------------------------------------------------

  ghost() {
    return this.page.evaluate(() => window.ghostline.read());
  }

  log() {
    return this.page.evaluate(() => window.ghostline.log());
  }

  clearLog() {
    return this.page.evaluate(() => window.ghostline.clear());
  }

  /** The text of the status bar's items. */
  status() {
    return this.page.$$eval('.statusbar-item', (items) => items.map((item) => item.textContent ?? ''));
  }

  async screenshot(file) {
    await this.press('clearNotifications');
    await sleep(300);
    await this.page.screenshot({ path: file });
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
