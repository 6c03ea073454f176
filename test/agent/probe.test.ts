// When two answers are near enough.

import { firstDifference } from '../../src/agent/probe';
import type { TensorValue } from '../../src/domain/request';

const rows: [reason: string, wanted: TensorValue, found: TensorValue, difference: string | undefined][] = [
  ['equal', [[1, 2], [3, 4]], [[1, 2], [3, 4]], undefined],
  ['within the tolerance', 1, 1.1, undefined],
  ['exactly at the tolerance', [0], [0.125], undefined],
  ['beyond it, named by place', [[1, 2], [3, 4]], [[1, 2], [3.2, 4]], 'y[1][0] = 3.2'],
  ['not a number is near nothing', [1], [Number.NaN], 'y[0] = NaN'],
  ['infinity is not near', 1, Number.POSITIVE_INFINITY, 'y = Infinity'],
  ['fewer values', [1, 2], [1], 'y has 1 values'],
  ['more values', [1], [1, 2], 'y has 2 values'],
  ['a number for an array', [1], 1, 'y is one number where 1 values were wanted'],
  ['an array for a number', 1, [1], 'y has 1 values where one number was wanted'],
  ['nothing is equal to nothing', [], [], undefined],
];
test.each(rows)('%s', (_reason, wanted, found, difference) => expect(firstDifference(wanted, found, 0.125, 'y')).toBe(difference));
