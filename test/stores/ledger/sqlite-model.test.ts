import { SQLITE } from './drivers.ts';
import { describeModel } from './model.ts';

describeModel(SQLITE);
