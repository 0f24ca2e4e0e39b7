import t from 'tap';

t.test('a runtime without the functions of ECMAScript 2024 gets them', async (t) => {
  const [withResolvers, groupBy] = [Promise.withResolvers, Map.groupBy];
  t.teardown(() => Object.assign(Promise, { withResolvers }) && Object.assign(Map, { groupBy }));
  Object.assign(Promise, { withResolvers: undefined });
  Object.assign(Map, { groupBy: undefined });
  await import('./olderruntime.ts');
  t.not(Map.groupBy, groupBy);
  t.same(
    [...Map.groupBy(['a', 'bb', 'cc', 'd'], (text, index) => text.length + (index > 2 ? 10 : 0))],
    [
      [1, ['a']],
      [2, ['bb', 'cc']],
      [11, ['d']],
    ],
  );
  const good = Promise.withResolvers<number>();
  good.resolve(7);
  t.equal(await good.promise, 7);
  const bad = Promise.withResolvers<number>();
  bad.reject(new Error('no'));
  await t.rejects(bad.promise, { message: 'no' });
});
