const KWOK_ID = /^kwok:\/\/(.+)$/;

/** Node names by provider id, from the ids of Karpenter's kwok provider, which contain the name. */
export const kwokNodeNames = (providerIDs: readonly string[]): Map<string, string> =>
  new Map(
    providerIDs.flatMap((id): [string, string][] => {
      const name = KWOK_ID.exec(id)?.[1];
      return name ? [[id, name]] : [];
    }),
  );
