/** Tests of which cursor moves the server is told, and of what is in view. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Moves, type Selection, inView } from '../moves';

/** Moves whose timer runs out when the test says so, and the places that were sent. */
function moves() {
  const sent: string[] = [];
  let waiting: (() => void) | undefined;
  const timers = {
    set: (work: () => void) => (waiting = work),
    clear: () => (waiting = undefined),
  };
  const all = new Moves(({ uri, line, character }) => sent.push(`${uri}:${line}:${character}`), timers);
  const to = (line: number, character: number, rest: Partial<Selection> = {}) =>
    all.moved({ uri: 'a', version: 1, line, character, isActive: true, isEmpty: true, ...rest });
  const settle = () => {
    const work = waiting;
    waiting = undefined;
    work?.();
  };
  return { all, to, settle, sent };
}

test('only the place where the cursor stays is sent', () => {
  const { to, settle, sent } = moves();
  to(1, 0);
  to(2, 0);
  to(3, 0);
  settle();
  settle();
  assert.deepEqual(sent, ['a:3:0']);
});

test('a place is not sent twice, unless the text has changed', () => {
  const { all, to, settle, sent } = moves();
  to(1, 0);
  settle();
  to(1, 0);
  settle();
  all.forget();
  to(1, 0);
  settle();
  assert.deepEqual(sent, ['a:1:0', 'a:1:0']);
});

test('typing is no move, neither is what waits while somebody types', () => {
  const { all, to, settle, sent } = moves();
  to(1, 0);
  settle();
  to(1, 1, { version: 2 });
  settle();
  to(5, 0, { version: 2 });
  all.forget();
  to(5, 1, { version: 3 });
  settle();
  to(7, 0, { version: 3 });
  settle();
  assert.deepEqual(sent, ['a:1:0', 'a:7:0']);
});

test('selected text and editors in the background are left alone', () => {
  const { to, settle, sent } = moves();
  to(1, 0, { isEmpty: false });
  settle();
  to(1, 0, { isActive: false });
  settle();
  assert.deepEqual(sent, []);
});

test('a document that was closed begins anew', () => {
  const { all, to, settle, sent } = moves();
  to(1, 0, { version: 9 });
  settle();
  all.closed('a');
  all.forget();
  to(2, 0, { version: 1 });
  settle();
  assert.deepEqual(sent, ['a:1:0', 'a:2:0']);
});

test('documents in view come once, the focused one first', () => {
  assert.deepEqual(inView(['a', 'b', 'a'], 'b'), ['b', 'a']);
  assert.deepEqual(inView(['a', 'b'], undefined), ['a', 'b']);
  assert.deepEqual(inView([], 'a'), ['a']);
});
