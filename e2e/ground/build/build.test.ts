import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isNewEnough, programHash, sourcesOf } from './build.ts';
import { PROGRAMS, programNamed, programsFor } from './programs.ts';

const GO = 'go1.26.8\nlinux\namd64';

t.test('the same content has the same hash, in whatever order the files are read', async (t) => {
  const forward = new Map([
    ['go.mod', 'module x'],
    ['main.go', 'package main'],
  ]);
  const backward = new Map([...forward].reverse());
  t.equal(programHash(programNamed('etcd'), GO, forward), programHash(programNamed('etcd'), GO, backward));
});

t.test('whatever decides what a program is changes its hash', async (t) => {
  const etcd = programNamed('etcd');
  const sources = new Map([['go.mod', 'module x']]);
  const hashes = [
    programHash(etcd, GO, sources),
    programHash(etcd, 'go1.27.0\nlinux\namd64', sources),
    programHash(etcd, GO, new Map([['go.mod', 'module y']])),
    programHash(etcd, GO, new Map([['go.sum', 'module x']])),
    programHash({ ...etcd, ldflags: '' }, GO, sources),
    programHash({ ...etcd, tags: ['x'] }, GO, sources),
    programHash({ ...etcd, cgo: true }, GO, sources),
    programHash({ ...etcd, package: './other' }, GO, sources),
  ];
  t.equal(new Set(hashes).size, hashes.length);
});

t.test('a program is made of its module and its own folder', async (t) => {
  const modules = t.testdir({
    controlplane: { 'go.mod': '', 'go.sum': '', 'main.go': '', 'notes.txt': '', machine: { 'main.go': '' } },
  });
  mkdirSync(join(modules, 'controlplane', 'machine', 'inner'));
  writeFileSync(join(modules, 'controlplane', 'machine', 'inner', 'more.go'), '');
  const of = (name: string) => [...sourcesOf(programNamed(name), modules).keys()].sort();
  t.strictSame(of('controlplane'), ['go.mod', 'go.sum', 'main.go']);
  t.strictSame(of('machine'), ['go.mod', 'go.sum', 'machine/inner/more.go', 'machine/main.go']);
});

t.test('only what a ground runs is built', async (t) => {
  t.strictSame(programsFor({ cloud: false, realNode: false }), ['etcd', 'controlplane']);
  t.ok(programsFor({ cloud: true, realNode: false }).includes('karpenter-aws'));
  t.notOk(programsFor({ cloud: true, realNode: false }).includes('containerd'));
  t.notOk(programsFor({ cloud: true, realNode: true }).includes('kwok'), 'on demand');
});

t.test('every program has a name of its own and a module that is there', async (t) => {
  t.equal(new Set(PROGRAMS.map((one) => one.name)).size, PROGRAMS.length);
  for (const program of PROGRAMS) t.ok(sourcesOf(program).has('go.mod'), program.name);
});

t.test('an unknown program is refused by name', async (t) => {
  t.throws(() => programNamed('kubelett'), /kubelett/);
});

t.test('a compiler that is too old is told from one that is not', async (t) => {
  for (const version of ['go1.26', 'go1.26.8\nlinux', 'go1.27rc1', 'devel +abc'])
    t.ok(isNewEnough(version), version);
  for (const version of ['go1.25.9', 'go1.9']) t.notOk(isNewEnough(version), version);
});
