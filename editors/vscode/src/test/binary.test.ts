/** Tests of finding the program. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Machine, findBinary } from '../binary';

function machine(files: string[], env: Record<string, string> = {}, platform: NodeJS.Platform = 'linux'): Machine {
  return { platform, env, home: '/h', isExecutable: (file) => files.includes(file) };
}

test('the setting comes before everything else', () => {
  const everywhere = machine(['/opt/ghostline', '/bin/ghostline'], { PATH: '/bin' });
  assert.deepEqual(findBinary('/opt/ghostline', '/ext', everywhere), { found: '/opt/ghostline' });
});

test('a setting that names no program is told, not passed over', () => {
  const onPath = machine(['/bin/ghostline'], { PATH: '/bin' });
  const search = findBinary('/opt/typo', '/ext', onPath);
  assert.ok('missing' in search && search.missing.includes('/opt/typo'));
});

test('a tilde in the setting is the home folder', () => {
  assert.deepEqual(findBinary(' ~/b/ghostline ', '/ext', machine(['/h/b/ghostline'])), { found: '/h/b/ghostline' });
});

test('the PATH is searched in its order, then the usual folders, then the extension', () => {
  const files = ['/b/ghostline', '/a/ghostline', '/h/.local/bin/ghostline', '/h/.cargo/bin/ghostline', '/ext/bin/ghostline'];
  const env = { PATH: '/none:/a:/b' };
  const found = [];
  while (files.length > 0) {
    const search = findBinary('', '/ext', machine(files, env));
    assert.ok('found' in search);
    found.push(search.found);
    files.splice(files.indexOf(search.found), 1);
  }
  assert.deepEqual(found, [
    '/a/ghostline',
    '/b/ghostline',
    '/h/.local/bin/ghostline',
    '/h/.cargo/bin/ghostline',
    '/ext/bin/ghostline',
  ]);
  assert.ok('missing' in findBinary('', '/ext', machine([], env)));
});

test('a program in the open folder is never started for a relative PATH entry', () => {
  const search = findBinary('', '/ext', machine(['bin/ghostline', 'ghostline'], { PATH: 'bin:.:' }));
  assert.ok('missing' in search);
});

test('on Windows the program is ghostline.exe and Path is split at semicolons', () => {
  const windows = machine(['C:\\tools\\ghostline.exe'], { Path: 'C:\\none;C:\\tools' }, 'win32');
  assert.deepEqual(findBinary('', 'C:\\ext', windows), { found: 'C:\\tools\\ghostline.exe' });
});
