/** Tests of reading the server's log. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { logLine } from '../log';

test('a log line keeps its level', () => {
  assert.deepEqual(logLine('2026-11-22T18:57:45.909046Z  INFO ghostline::cli: ready model="x"'), {
    level: 'info',
    text: 'ghostline::cli: ready model="x"',
  });
  assert.equal(logLine('2026-11-22T18:57:45.909046Z ERROR ghostline: no').level, 'error');
});

test('what the log did not write is an error, whole', () => {
  const panic = "thread 'main' panicked at INFO";
  assert.deepEqual(logLine(panic), { level: 'error', text: panic });
});
