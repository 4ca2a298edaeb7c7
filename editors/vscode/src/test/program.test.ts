/** Tests of running the program, of its version and of its crashes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Crashes } from '../crashes';
import { isTooOld, run } from '../program';
import { mismatch } from '../version';

test('before 1.0 the second number tells what fits together, after it the first', () => {
  const with_ = (version: string, extension: string) => mismatch({ name: 'ghostline', version }, extension, '/g');
  assert.equal(with_('0.1.0', '0.1.7'), undefined);
  assert.equal(with_('1.4.0', '1.2.0'), undefined);
  assert.match(with_('0.1.0', '0.2.0') ?? '', /^\/g is version 0\.1\.0, the extension 0\.2\.0: update the program/);
  assert.match(with_('0.3.0', '0.2.0') ?? '', /update the extension/);
  assert.match(with_('2.0.0', '1.9.0') ?? '', /update the extension/);
  assert.equal(mismatch({ name: 'ghostline' }, '0.1.0', '/g'), undefined);
});

test('another language server is named as one', () => {
  assert.match(mismatch({ name: 'rust-analyzer', version: '0.1.0' }, '0.1.0', '/r') ?? '', /^\/r is another language server/);
  assert.match(mismatch(undefined, '0.1.0', '/r') ?? '', /another/);
});

test('a server that dies often in a short time is not started again', () => {
  const crashes = new Crashes();
  assert.deepEqual([0, 1, 2, 3].map((second) => crashes.mayRestart(second * 1000)), [true, true, true, false]);
  assert.ok(crashes.mayRestart(10 * 60 * 1000));
});

test('the output of a program is its text, and what kept it from running, too', async () => {
  const node = (script: string) => run(process.execPath, ['-e', script], { WORD: 'hi' });
  assert.deepEqual(await node('console.log(process.env.WORD); console.error("log")'), { isSuccess: true, text: 'hi' });
  assert.deepEqual(await node('console.log(1); console.error(2); process.exit(3)'), { isSuccess: false, text: '1\n\n2' });
  const missing = await run('/nowhere/ghostline', []);
  assert.ok(!missing.isSuccess && missing.text.includes('ENOENT'));
});

test('a program that does not know a command is too old for it', () => {
  const text = "error: unrecognized subcommand 'stats'";
  assert.ok(isTooOld({ isSuccess: false, text }, 'stats'));
  assert.ok(!isTooOld({ isSuccess: false, text: 'the file is not readable' }, 'stats'));
});
