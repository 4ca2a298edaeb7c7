// What must hold in VS Code, case by case. No case knows what the model says. A third element names the only file that
// the case is for.

import assert from 'node:assert/strict';
import path from 'node:path';

import { FILES, Session, asWindows } from './vscode_session.mjs';
import { servers, sleep, until } from './vscode_ui.mjs';

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
    try {
      await until(async () => /ghostline is off/.test(await session.statusLabel()), () => session.statusLabel());
      await session.expectNoGhost();
    } finally {
      await session.editor.command('ghostline: Switch On or Off');
    }
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
