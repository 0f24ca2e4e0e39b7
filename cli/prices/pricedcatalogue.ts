import { INSTANCE_TYPE } from '../../api/labels.ts';
import { VM_MEMORY_OVERHEAD } from '../../cloud/aws/allocatable.ts';
import { withOwnedCommitments } from '../../cloud/aws/commitments/count.ts';
import { listedRegions, listPricesOf } from '../../cloud/aws/listprices.ts';
import type { LiveCatalogue } from '../../cloud/aws/livecatalogue.ts';
import { zonesIn } from '../../cloud/aws/zonesinuse.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { regionOfZone } from '../../planner/model/machinelabels.ts';
import { awayFromZones, shiftedZonesOf } from '../../planner/model/offers/zonalshift.ts';
import { zoneIdsOf } from '../../planner/model/offers/zoneids.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { type Flags, UsageError } from '../flags.ts';
import { readCatalogue } from '../inputfiles.ts';
import { commitmentsTold } from './commitmentstold.ts';
import { regionOf } from './region.ts';

/** Where prices come from, and what they leave out, in sentences. */
export interface PriceSource {
  readonly source: 'file' | 'aws' | 'table';
  readonly region: string | null;
  /** What the prices are, in one line. */
  readonly summary: string;
  /** What is not known, each with what to do. */
  readonly gaps: readonly string[];
}

export interface PricedCatalogue {
  readonly catalogue: Catalogue;
  readonly prices: PriceSource;
}

const MOST_NAMED = 8;

/**
 * Reads a region's catalogue from AWS, and what it tells of the cluster by the provider ids of its machines; undefined
 * where there are no credentials. Throws what AWS answers.
 */
export type ReadLive = (region: string, machines: readonly string[]) => Promise<LiveCatalogue | undefined>;

const fromTable = (
  region: string,
  { snapshot, why }: { readonly snapshot: Snapshot; readonly why: string },
): PricedCatalogue => {
  const list = listPricesOf(region, zonesIn(region, snapshot), VM_MEMORY_OVERHEAD);
  if (!list || list.catalogue.instanceTypes.length === 0) {
    throw new UsageError(
      `${why}, and the table that comes with us has no prices of region '${region}' for the cluster's zones (it has ${listedRegions().join(', ')}): give a file of instance types by --catalog.`,
    );
  }
  return {
    catalogue: list.catalogue,
    prices: {
      source: 'table',
      region,
      summary: `list prices of ${region} of ${list.onDemandDate}, spot of ${list.spotDate}, from the table that comes with precision-packer`,
      gaps: [
        `${why}: with credentials, prices of now are read from EC2 and its price list.`,
        `Spot prices are means of ${list.spotDate} over all zones of ${region}: they move, and differ by zone.`,
        'Which of its subnets and capacity reservations an EC2NodeClass may use is not known: zones count where nodes stand or NodePools name them.',
      ],
    },
  };
};

/** The types of standing nodes that a catalogue lacks. */
const unknownTypes = (catalogue: Catalogue, { nodes }: Snapshot): readonly string[] => {
  const known = new Set(catalogue.instanceTypes.map(({ name }) => name));
  const seen = nodes.flatMap(({ metadata }) => metadata.labels?.[INSTANCE_TYPE] ?? []);
  return [...new Set(seen)].filter((name) => !known.has(name)).sort();
};

const withUnknownTypes = ({ catalogue, prices }: PricedCatalogue, snapshot: Snapshot): PricedCatalogue => {
  const unknown = unknownTypes(catalogue, snapshot);
  if (unknown.length === 0) return { catalogue, prices };
  const more = unknown.length > MOST_NAMED ? ` and ${unknown.length - MOST_NAMED} more` : '';
  const gap = `No price is known for nodes of ${unknown.slice(0, MOST_NAMED).join(', ')}${more}, which count in no sum: give a file with these types by --catalog.`;
  return { catalogue, prices: { ...prices, gaps: [...prices.gaps, gap] } };
};

/** The regions that a catalogue sells in, by the names of its zones. */
const regionsIn = ({ instanceTypes }: Catalogue): readonly string[] => [
  ...new Set(
    instanceTypes.flatMap(({ offerings }) => offerings.flatMap(({ zone }) => regionOfZone(zone) ?? [])),
  ),
];

/** What to do about a reading that failed, as the end of a sentence. */
const remedy = ({ lacks }: { readonly lacks?: string }): string =>
  lacks === undefined ? 'run it again once AWS answers' : `allow ${lacks}`;

/** What AWS tells of a region, with a part of the account's commitments; `share` in percent. */
const fromAws = (
  region: string,
  { catalogue, owned, reservationsUnread, zonalShifts }: LiveCatalogue,
  { share, snapshot }: { readonly share: number | undefined; readonly snapshot: Snapshot },
): PricedCatalogue => {
  const counted =
    'unread' in owned ? catalogue : withOwnedCommitments(catalogue, owned, (share ?? 100) / 100);
  const told = commitmentsTold(owned, share);
  const summary = `prices of now in ${region}, from EC2 and its price list${told.summary}`;
  const isReserving = (snapshot.nodeClasses ?? []).some(
    ({ status }) => (status?.capacityReservations ?? []).length > 0,
  );
  const gaps = [
    ...told.gaps,
    ...(reservationsUnread !== undefined && isReserving
      ? [
          `Capacity reservations could not be read (${reservationsUnread.reason}), so nothing is bought in them and their machines have no price: ${remedy(reservationsUnread)}.`,
        ]
      : []),
    ...(zonalShifts?.unread !== undefined
      ? [
          `Zonal shifts could not be read (${zonalShifts.unread}), so a zone that is shifted away counts as any other: ${remedy(zonalShifts)}.`,
        ]
      : []),
  ];
  const away = awayFromZones(
    counted,
    shiftedZonesOf(zonalShifts?.zones ?? [], zoneIdsOf(counted, snapshot.nodes)),
  );
  return { catalogue: away, prices: { source: 'aws', region, summary, gaps } };
};

/**
 * Instance types and prices: from --catalog, else from AWS where there are credentials, else from the table that comes
 * with us; --prices table asks nobody. `share` is the cluster's part of the account's commitments in percent. Throws UsageError, CatalogueError or QuantityError.
 */
export const priceCatalogue = async (
  flags: Flags,
  snapshot: Snapshot,
  { readLive, share }: { readonly readLive: ReadLive; readonly share: number | undefined },
): Promise<PricedCatalogue> => {
  const file = flags.values.get('catalog');
  const choice = flags.values.get('prices');
  if (choice !== undefined && choice !== 'aws' && choice !== 'table')
    throw new UsageError(`--prices must be aws or table, not '${choice}'.`);
  if (file !== undefined) {
    if (choice !== undefined) throw new UsageError('Use either --catalog or --prices, not both.');
    const catalogue = readCatalogue(file);
    const [region, second] = regionsIn(catalogue);
    const where = region === undefined || second !== undefined ? '' : `, for ${region}`;
    const prices: PriceSource = {
      source: 'file',
      region: where === '' ? null : (region ?? null),
      summary: `prices of ${file}${where}`,
      gaps: [],
    };
    return withUnknownTypes({ catalogue, prices }, snapshot);
  }
  const region = flags.values.get('region') ?? regionOf(snapshot);
  if (choice === 'table')
    return withUnknownTypes(fromTable(region, { snapshot, why: 'AWS was not asked' }), snapshot);
  let why = 'There are no AWS credentials';
  try {
    const machines = snapshot.nodes.flatMap(({ spec }) => spec?.providerID ?? []);
    const live = await readLive(region, machines);
    if (live) return withUnknownTypes(fromAws(region, live, { share, snapshot }), snapshot);
  } catch (error) {
    why = `AWS did not tell its prices (${messageOf(error)})`;
  }
  if (choice === 'aws')
    throw new UsageError(`${why}: set them up, or leave --prices out to use list prices.`);
  return withUnknownTypes(fromTable(region, { snapshot, why }), snapshot);
};
