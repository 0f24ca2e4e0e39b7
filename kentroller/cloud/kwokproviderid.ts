const KWOK_ID = /^kwok:\/\/(.+)$/;

/** Names that stand in the provider ids themselves, as Karpenter's kwok provider writes them. */
export const kwokNodeNames = (providerIDs: readonly string[]): Map<string, string> =>
  new Map(
    providerIDs.flatMap((id): [string, string][] => {
      const name = KWOK_ID.exec(id)?.[1];
      return name ? [[id, name]] : [];
    }),
  );
