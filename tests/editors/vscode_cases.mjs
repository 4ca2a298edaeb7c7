// What must hold in VS Code, case by case, and the files it is tried in. No case knows what the model says: repetitive code is
// typed, where any model has something to say.

import assert from 'node:assert/strict';
import path from 'node:path';

import { servers, sleep, until } from './vscode_ui.mjs';

const RUST = `\
pub struct Vector {
    pub x: f64,
    pub y: f64,
}

impl Vector {
    pub fn add(&self, other: f64) -> f64 {
        self.x + other
    }

    pub fn sub(&self, other: f64) -> f64 {
        self.x - other
    }

    pub fn mul(&self, other: f64) -> f64 {
        self.x * other
    }

    pub fn div(&self, other: f64) -> f64 {
`;

const PYTHON = `\
def add(a, b):
    print(a, b)
    return a + b


def sub(a, b):
    print(a, b)
    return a - b


def mul(a, b):
    print(a, b)
    return a * b


def div(a, b):
`;

/**
 * `line` is typed until ghost text stands there, `call` makes VS Code close a bracket by itself, `wide` has characters of two UTF-16
 * units and of three bytes before the cursor, `sample` is what the times are measured with.
 */
export const FILES = [
  {
    name: 'vector.rs',
    text: RUST,
    line: '        self.x / other',
    call: '        self.add(',
    wide: '        /* 日本語 🦀 */ ',
    sample: '        let width = self.x / other;\nlet height = self.y / other;\nself.x + width * other',
  },
  {
    name: 'vector.py',
    text: PYTHON,
    line: '    return a / b',
    call: '    print(',
    wide: '    s = "日本語 🦀"; ',
    sample: '    width = a / b\nheight = b / a\nprint(a, b)\nreturn width + height',
  },
];

/** The same file as Windows has it. */
export function asWindows({ name, text, ...rest }) {
  return { ...rest, name: name.replace('vector', 'windows'), text: text.replaceAll('\n', '\r\n') };
}

/** One file in the editor, with what the cases do over and over. */
export class Session {
  constructor(editor, file, { ghostline, report, running }) {
    Object.assign(this, file, { editor, ghostline, report, running });
  }

  /** Opens the file and waits for the first ghost text: until the model is loaded, answers are empty. */
  async open() {
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        await this.startOver();
        await this.typeUntilGhost();
        return;
      } catch (error) {
        if (Date.now() > deadline) {
          throw error;
        }
      }
    }
  }

  /** The file as it was, the cursor on its empty last line. */
  async startOver(text = this.text) {
    if ((await this.editor.title()) !== this.name) {
      await this.editor.open(this.name);
    }
    await this.editor.reset(this.name, text);
  }

  save() {
    return this.editor.save(this.name);
  }

  /** The ghost text, once it is there and has stood still for a moment. */
  async ghost(patience = 2000) {
    let [text, since] = ['', Date.now()];
    return until(async () => {
      const now = await this.editor.ghost();
      if (now !== text) {
        [text, since] = [now, Date.now()];
      }
      return text !== '' && Date.now() - since > 150 && text;
    }, 'ghost text', patience);
  }

  isPopupOpen() {
    return this.editor.page.evaluate(() => document.querySelector('.suggest-widget.visible') !== null);
  }

  /** While the popup is open, Tab and Escape are the popup's. */
  async closePopup() {
    if (await this.isPopupOpen()) {
      await this.editor.press('Escape');
      await until(async () => !(await this.isPopupOpen()), 'the popup closes');
    }
  }

  /**
   * Types `line` key by key until ghost text stands there and no popup: `typed` and `ghost`. Each key waits for its
   * answer, as a person does who looks at what is offered.
   */
  async typeUntilGhost(line = this.line, atLeast = line.length - line.trimStart().length + 3) {
    for (let count = 1; count <= line.length; count++) {
      await this.editor.type(line[count - 1], 20);
      if (count < atLeast) {
        continue;
      }
      await this.closePopup();
      const ghost = await this.ghost(1200).catch(() => '');
      if (ghost !== '' && !(await this.isPopupOpen())) {
        return { typed: line.slice(0, count), ghost };
      }
    }
    throw new Error(`no ghost text while typing ${JSON.stringify(line)}`);
  }

  /** Presses the key that takes the ghost text, and waits until it is gone or another. */
  async accept(ghost) {
    await this.editor.press('Tab');
    await until(async () => (await this.editor.ghost()) !== ghost, 'Tab takes the ghost text');
  }

  /** Types the line and sees no ghost text after any key. */
  async expectNoGhost() {
    await this.editor.clearLog();
    await this.editor.type(this.line, 60);
    await sleep(700);
    const painted = (await this.editor.log()).filter((entry) => entry.ghost);
    assert.deepEqual(painted, []);
  }

  /** What the status bar's item says at length. */
  statusLabel() {
    return this.editor.page.evaluate(() => document.querySelector('[id="ghostline.ghostline.ghostline.status"]')?.ariaLabel ?? '');
  }

  /** Takes the entry that contains `words` from the menu behind the status bar's item. */
  async choose(words, picture) {
    await this.editor.page.click('[id="ghostline.ghostline.ghostline.status"]');
    await until(async () => (await this.editor.rows()).some((row) => row.includes(words)), `the menu offers "${words}"`);
    if (picture !== undefined) {
      await this.editor.screenshot(picture);
    }
    await this.editor.page.click(`.quick-input-list .monaco-list-row:has-text("${words}")`);
  }

  /** The window with ghost text and nothing beside the text. */
  async picture() {
    await this.editor.press('Control+b');
    await this.startOver();
    await this.typeUntilGhost();
    await this.editor.screenshot(path.join(this.report, `vscode-${this.name.replace('.', '-')}.png`));
    await this.editor.press('Control+b');
  }
}

export const CASES = [
  ['Tab accepts the ghost text exactly', async (session) => {
    await session.startOver();
    const { typed, ghost } = await session.typeUntilGhost();
    await session.accept(ghost);
    assert.equal(await session.save(), session.text + typed + ghost);
  }],

  ['a key right after Tab stands behind the accepted text', async (session) => {
    await session.startOver();
    const { typed, ghost } = await session.typeUntilGhost();
    await session.editor.press('Tab', 'x');
    await sleep(300);
    assert.equal(await session.save(), `${session.text}${typed}${ghost}x`);
  }],

  ['Ctrl+Right accepts the next word, Tab then the rest', async (session) => {
    await session.startOver();
    const { typed, ghost } = await session.typeUntilGhost();
    await session.editor.press('Control+ArrowRight');
    const rest = await until(async () => {
      const now = await session.editor.ghost();
      return now !== ghost && now;
    }, 'one word is taken');
    assert.ok(ghost.endsWith(rest), `of ${JSON.stringify(ghost)} is left ${JSON.stringify(rest)}`);
    await session.accept(await session.ghost());
    assert.ok((await session.save()).startsWith(session.text + typed + ghost));
  }],

  ['Escape puts the ghost text away and it stays away', async (session) => {
    await session.startOver();
    const { typed } = await session.typeUntilGhost();
    await session.editor.press('Escape');
    await until(async () => (await session.editor.ghost()) === '', 'the ghost text goes');
    await sleep(500);
    assert.equal(await session.editor.ghost(), '');
    assert.equal(await session.save(), session.text + typed);
  }],

  ['what was put away is not offered there again', async (session) => {
    session.editor.set({ 'ghostline.eagerness.repeat_rejected': false });
    await sleep(1500);
    try {
      await session.startOver();
      const { typed, ghost } = await session.typeUntilGhost();
      await session.editor.press('Escape');
      await until(async () => (await session.editor.ghost()) === '', 'the ghost text goes');
      await session.editor.press('Backspace');
      await session.editor.clearLog();
      await session.editor.type(typed.at(-1));
      await sleep(1000);
      const painted = (await session.editor.log()).filter((entry) => entry.ghost === ghost);
      assert.deepEqual(painted, [], `after ${JSON.stringify(typed)}`);
    } finally {
      session.editor.set({ 'ghostline.eagerness.repeat_rejected': true });
      await sleep(1500);
    }
  }],

  ['what was put away comes back when asked for by hand', async (session) => {
    await session.startOver();
    const { typed } = await session.typeUntilGhost();
    await session.editor.press('Escape');
    await until(async () => (await session.editor.ghost()) === '', 'the ghost text goes');
    await session.editor.press('Alt+\\');
    const ghost = await session.ghost();
    await session.accept(ghost);
    assert.equal(await session.save(), session.text + typed + ghost);
  }],

  ['Ctrl+Alt+Right accepts one line', async (session) => {
    await session.startOver();
    const { typed, ghost } = await session.typeUntilGhost();
    await session.editor.press('Control+Alt+ArrowRight');
    await until(async () => (await session.editor.ghost()) !== ghost, 'one line is taken');
    const [first] = ghost.split('\n');
    const saved = await session.save();
    assert.ok(saved.startsWith(session.text + typed + first) && saved.length <= (session.text + typed + ghost).length, saved);
  }],

  ['after fast typing only the last answer counts', async (session) => {
    await session.startOver();
    const typed = session.line.slice(0, -3);
    await session.editor.type(typed, 5);
    await session.closePopup();
    const ghost = await session.ghost();
    await session.accept(ghost);
    assert.equal(await session.save(), session.text + typed + ghost);
  }],

  ['typing the ghost text leaves the rest of it, without a flash', async (session) => {
    await session.startOver();
    const { typed, ghost } = await session.typeUntilGhost();
    const along = ghost.split('\n')[0].slice(0, 4);
    for (const [index, char] of [...along].entries()) {
      await session.editor.clearLog();
      await session.editor.type(char, 0);
      const rest = ghost.slice(index + 1);
      await until(async () => (await session.editor.ghost()) === rest, `the rest ${JSON.stringify(rest)} stands`, 3000);
      await sleep(200);
      const painted = (await session.editor.log()).filter((entry) => entry.ghost !== undefined).map((entry) => entry.ghost);
      const wrong = painted.filter((text) => text !== rest && text !== ghost.slice(index));
      assert.deepEqual(wrong, [], `painted while ${JSON.stringify(char)} was typed into ${JSON.stringify(ghost.slice(index))}`);
    }
    assert.ok((await session.save()).startsWith(session.text + typed + along));
  }],

  ['one undo takes back the accepted text alone', async (session) => {
    await session.startOver();
    const { typed, ghost } = await session.typeUntilGhost();
    await session.accept(ghost);
    await session.editor.press('Control+z');
    assert.equal(await session.save(), session.text + typed);
  }],

  ['with two cursors the text goes to both', async (session) => {
    await session.startOver(`${session.text}\n`);
    await session.editor.press('cursorAbove');
    const { typed, ghost } = await session.typeUntilGhost();
    await session.accept(ghost);
    await session.editor.press('Escape');
    const line = typed + ghost;
    assert.equal(await session.save(), `${session.text}${line}\n${line}`);
  }],

  ['a bracket that the editor closed is not closed twice', async (session) => {
    await session.startOver();
    await session.editor.type(session.call);
    await session.closePopup();
    assert.equal(await session.save(), `${session.text}${session.call})`, 'VS Code closes the bracket');
    const ghost = await session.ghost();
    await session.accept(ghost);
    const line = (await session.save()).slice(session.text.length);
    assert.ok(line.startsWith(session.call), line);
    const count = (char) => line.split(char).length - 1;
    assert.equal(count('('), count(')'), `${JSON.stringify(line)} after the ghost text ${JSON.stringify(ghost)}`);
  }],

  ['in a block that the editor closed, the block is not closed twice', async (session) => {
    const before = session.text.replace(/ \{\n$/, '');
    await session.startOver(before);
    await session.editor.type(' {');
    await session.closePopup();
    await session.editor.press('Enter');
    const ghost = await session.ghost();
    assert.ok(!/^\s/.test(ghost), `VS Code has indented already, the ghost text is ${JSON.stringify(ghost)}`);
    await session.accept(ghost);
    const saved = await session.save();
    assert.equal(saved, `${before} {\n        ${ghost}\n    }`);
    assert.equal(saved.split('{').length - saved.split('}').length, 1, `only the \`impl\` is open after ${JSON.stringify(ghost)}`);
  }, 'vector.rs'],

  ['after Enter the ghost text begins where the editor has indented to', async (session) => {
    const before = session.text.trimEnd();
    await session.startOver(before);
    await session.editor.press('Enter');
    const ghost = await session.ghost();
    assert.ok(!/^\s/.test(ghost), `the ghost text is ${JSON.stringify(ghost)}`);
    await session.accept(ghost);
    assert.equal(await session.save(), `${before}\n    ${ghost}`);
  }, 'vector.py'],

  ['with the popup open, ghost text continues the selected item', async (session) => {
    await session.startOver();
    const { typed } = await session.typeUntilGhost();
    await session.editor.press('Control+Space');
    await until(() => session.isPopupOpen(), 'the popup opens');
    const item = await until(() => session.editor.page.evaluate(() => {
      const row = document.querySelector('.suggest-widget.visible .monaco-list-row.focused .label-name');
      return row?.textContent;
    }), 'an item is selected');
    await sleep(700);
    const ghost = await session.editor.ghost();
    await session.editor.press('Tab');
    await until(async () => !(await session.isPopupOpen()), 'the popup closes');
    const line = (await session.save()).slice(session.text.length);
    const word = typed.match(/\w*$/)[0];
    assert.ok(line.startsWith(typed.slice(0, typed.length - word.length) + item), `${JSON.stringify(line)} has ${item}`);
    assert.ok(ghost === '' || (word + ghost).startsWith(item), `the item ${item}, the ghost text ${JSON.stringify(ghost)}`);
  }],

  ['a file with CRLF keeps it in every line', async (session) => {
    const crlf = new Session(session.editor, asWindows(session), session);
    await crlf.startOver();
    assert.ok((await session.editor.status()).some((item) => item.trim() === 'CRLF'), 'the file is read as CRLF');
    const { typed, ghost } = await crlf.typeUntilGhost();
    await crlf.accept(ghost);
    assert.equal(await crlf.save(), crlf.text + (typed + ghost).replaceAll('\n', '\r\n'));
  }],

  ['emoji and CJK before the cursor shift nothing', async (session) => {
    await session.startOver();
    // Pasted, so to speak: these characters have no key, and the quotes are not closed by the editor.
    await session.editor.page.keyboard.insertText(session.wide);
    const { typed, ghost } = await session.typeUntilGhost(session.line.trimStart());
    await session.accept(ghost);
    assert.equal(await session.save(), session.text + session.wide + typed + ghost);
  }],

  ['two files side by side have each their own', async (session) => {
    const other = FILES.find((file) => file.name !== session.name);
    const second = new Session(session.editor, other, session);
    await session.startOver();
    await session.editor.open(other.name);
    await session.editor.press('split');
    await second.startOver();
    const right = await second.typeUntilGhost();
    await session.editor.press('Control+1');
    await until(async () => (await session.editor.title()) === session.name, 'the first file has the focus');
    const left = await session.typeUntilGhost();
    await session.editor.screenshot(path.join(session.report, 'vscode-two-files.png'));
    await session.accept(left.ghost);
    assert.equal(await session.save(), session.text + left.typed + left.ghost);
    await session.editor.press('Control+2');
    await until(async () => (await session.editor.title()) === other.name, 'the second file has the focus');
    await session.editor.type(right.ghost[0]);
    await second.accept(await second.ghost());
    assert.ok((await second.save()).startsWith(other.text + right.typed + right.ghost[0]));
    await session.editor.press('joinGroups');
  }, 'vector.rs'],

  ['the status bar names the model, and its menu switches the language off and on', async (session) => {
    await session.startOver();
    await session.typeUntilGhost();
    await until(async () => / is ready\./.test(await session.statusLabel()), () => session.statusLabel());
    await session.choose('Switch Off for', path.join(session.report, 'vscode-menu.png'));
    await until(async () => / off for /.test(await session.statusLabel()), () => session.statusLabel());
    await session.startOver();
    await session.expectNoGhost();
    await session.choose('Switch On for');
    await until(async () => / is ready\./.test(await session.statusLabel()), () => session.statusLabel());
    await session.startOver();
    await session.typeUntilGhost();
  }],

  ['the command switches everything off and on', async (session) => {
    await session.startOver();
    await session.editor.command('ghostline: Switch On or Off');
    await until(async () => /ghostline is off/.test(await session.statusLabel()), () => session.statusLabel());
    await session.expectNoGhost();
    await session.editor.command('ghostline: Switch On or Off');
    await until(async () => / is ready\./.test(await session.statusLabel()), () => session.statusLabel());
    await session.startOver();
    await session.typeUntilGhost();
  }, 'vector.rs'],

  ['a killed server is started again and knows the text', async (session) => {
    await session.startOver();
    await session.typeUntilGhost();
    const own = () => servers(session.ghostline).filter((id) => !session.running.includes(id));
    const [id] = own();
    process.kill(id, 'SIGKILL');
    await until(() => own().length === 1 && own()[0] !== id, 'another server is started');
    await session.open();
    await session.startOver();
    const { typed, ghost } = await session.typeUntilGhost();
    await session.accept(ghost);
    assert.equal(await session.save(), session.text + typed + ghost);
  }, 'vector.py'],
];
