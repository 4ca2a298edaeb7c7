// One file in a real VS Code: the text that is typed in, and what the cases do with it over and over.

import assert from 'node:assert/strict';
import path from 'node:path';

import { sleep, until } from './vscode_ui.mjs';

// Repetitive code, where any model has something to say.
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
