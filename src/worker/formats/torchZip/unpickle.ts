import { UserError } from "../errors";
import { callGlobal, knownGlobal, storageOf } from "./globals";
import {
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleSet,
  PickleTensor,
  PickleTuple,
  type PickleValue,
} from "./pickleValues";

/**
 * A pickle machine without the power to call anything: it knows the opcodes of protocols 2 to 5 that plain containers
 * and tensors are written with, and the names of `globals.ts`. Anything else is refused and named. Each opcode takes
 * at least one byte and adds at most one value, so work and memory are bounded by the pickle's length.
 */

/** Nested marks; PyTorch's own files have fewer than ten. */
const MAX_MARKS = 1000;
/** Digits of a whole number: more is no number of a checkpoint. */
const MAX_LONG_BYTES = 64;

/** Opcodes that are known and refused, so that the message can say what they are. */
const REFUSED: Readonly<Record<number, string>> = {
  105: "an instance of a class (INST)",
  111: "an instance of a class (OBJ)",
  129: "an object of a class (NEWOBJ)",
  146: "an object of a class (NEWOBJ_EX)",
  130: "an extension (EXT1)",
  131: "an extension (EXT2)",
  132: "an extension (EXT4)",
  80: "a reference by text (PERSID)",
  151: "a buffer from outside the pickle (NEXT_BUFFER)",
  152: "a buffer from outside the pickle (READONLY_BUFFER)",
};

/** The value of a pickle. `where` begins the error messages: the file. Throws a UserError. */
export function unpickle(bytes: Uint8Array, where: string): PickleValue {
  return new Machine(bytes, where).run();
}

class Machine {
  private readonly view: DataView;
  private readonly text = new TextDecoder("utf-8");
  private readonly stack: PickleValue[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private at = 0;
  /** Where the opcode being carried out begins, for messages. */
  private start = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly where: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): PickleValue {
    for (;;) {
      this.start = this.at;
      const opcode = this.uint8();
      if (opcode === 0x2e /* STOP */) return this.pop();
      this.step(opcode);
    }
  }

  private step(opcode: number): void {
    switch (opcode) {
      case 0x80: {
        const protocol = this.uint8();
        if (protocol > 5) throw this.damaged(`pickle protocol ${protocol} is not known`);
        return;
      }
      case 0x95: // FRAME: a hint for readers of streams
        this.take(8);
        return;
      case 0x28: // MARK
        if (this.marks.length >= MAX_MARKS) throw this.damaged("it is nested too deeply");
        this.marks.push(this.stack.length);
        return;
      case 0x30: // POP
        if (this.marks.at(-1) === this.stack.length) this.marks.pop();
        else this.pop();
        return;
      case 0x31: // POP_MARK
        this.popMark();
        return;
      case 0x32: // DUP
        this.push(this.top());
        return;
      case 0x4e:
        this.push(null);
        return;
      case 0x88:
        this.push(true);
        return;
      case 0x89:
        this.push(false);
        return;
      case 0x4b: // BININT1
        this.push(this.uint8());
        return;
      case 0x4d: // BININT2
        this.push(this.number(2, (i) => this.view.getUint16(i, true)));
        return;
      case 0x4a: // BININT
        this.push(this.number(4, (i) => this.view.getInt32(i, true)));
        return;
      case 0x8a: // LONG1
        this.push(this.long(this.uint8()));
        return;
      case 0x8b: // LONG4
        this.push(this.long(this.uint32()));
        return;
      case 0x47: // BINFLOAT
        this.push(this.number(8, (i) => this.view.getFloat64(i, false)));
        return;
      case 0x58: // BINUNICODE
        this.push(this.string(this.uint32()));
        return;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        this.push(this.string(this.uint8()));
        return;
      case 0x54: // BINSTRING
        this.push(this.string(this.uint32()));
        return;
      case 0x8d: // BINUNICODE8
        this.push(this.string(this.uint64()));
        return;
      case 0x43: // SHORT_BINBYTES
        this.push(this.take(this.uint8()));
        return;
      case 0x42: // BINBYTES
        this.push(this.take(this.uint32()));
        return;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        this.push(this.take(this.uint64()));
        return;
      default:
        this.structure(opcode);
    }
  }

  private structure(opcode: number): void {
    switch (opcode) {
      case 0x5d:
        this.push(new PickleList());
        return;
      case 0x7d:
        this.push(new PickleDict());
        return;
      case 0x8f:
        this.push(new PickleSet());
        return;
      case 0x29:
        this.push(new PickleTuple([]));
        return;
      case 0x85:
      case 0x86:
      case 0x87:
        this.push(new PickleTuple(this.popMany(opcode - 0x84)));
        return;
      case 0x74: // TUPLE
        this.push(new PickleTuple(this.popMark()));
        return;
      case 0x6c: // LIST
        this.push(this.filled(new PickleList(), this.popMark()));
        return;
      case 0x64: // DICT
        this.push(this.filled(new PickleDict(), this.popMark()));
        return;
      case 0x91: // FROZENSET
        this.push(this.filled(new PickleSet(), this.popMark()));
        return;
      case 0x61: // APPEND
        this.fill(PickleList, this.popMany(1));
        return;
      case 0x65: // APPENDS
        this.fill(PickleList, this.popMark());
        return;
      case 0x73: // SETITEM
        this.fill(PickleDict, this.popMany(2));
        return;
      case 0x75: // SETITEMS
        this.fill(PickleDict, this.popMark());
        return;
      case 0x90: // ADDITEMS
        this.fill(PickleSet, this.popMark());
        return;
      case 0x71: // BINPUT
        this.put(this.uint8());
        return;
      case 0x72: // LONG_BINPUT
        this.put(this.uint32());
        return;
      case 0x94: // MEMOIZE
        this.put(this.memo.size);
        return;
      case 0x68: // BINGET
        this.get(this.uint8());
        return;
      case 0x6a: // LONG_BINGET
        this.get(this.uint32());
        return;
      case 0x63: // GLOBAL
        this.push(this.global(this.line(), this.line()));
        return;
      case 0x93: {
        const [module, name] = this.popMany(2);
        if (typeof module !== "string" || typeof name !== "string") throw this.damaged("a name is not text");
        this.push(this.global(module, name));
        return;
      }
      case 0x52: // REDUCE
        this.reduce();
        return;
      case 0x62: // BUILD
        this.build();
        return;
      case 0x51: // BINPERSID
        this.persistent();
        return;
      default: {
        const what = REFUSED[opcode];
        if (what) throw this.refused(what);
        throw this.damaged(`0x${opcode.toString(16)} is not an instruction that torch.save writes`);
      }
    }
  }

  private global(module: string, name: string): PickleGlobal {
    const known = knownGlobal(module, name);
    if (known) return known;
    const full = `${module}.${name}`.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
    if (/(^|\.)_?[A-Z]\w*$/.test(full)) {
      throw this.refused(
        `an object of the class ${full}`,
        "a whole pickled module needs its class's code to run; save model.state_dict() instead",
      );
    }
    throw this.refused(full, "none of it was run; save model.state_dict() with torch.save, or as safetensors");
  }

  private reduce(): void {
    const [callee, args] = this.popMany(2);
    if (!(callee instanceof PickleGlobal) || !(args instanceof PickleTuple)) {
      throw this.refused("a call of something that is not a function");
    }
    const value = callGlobal(callee, args.items);
    if (value === undefined) throw this.refused(`a call of ${callee.name} with arguments that PyTorch does not write`);
    this.push(value);
  }

  /** Sets attributes: those of a state dict (`_metadata`) and of a tensor carry no weights. */
  private build(): void {
    this.pop();
    const object = this.top();
    if (!(object instanceof PickleDict || object instanceof PickleTensor)) throw this.refused("attributes of a value");
  }

  private persistent(): void {
    const storage = storageOf(this.pop());
    if (!storage) throw this.refused("a reference to something other than a tensor's storage");
    this.push(storage);
  }

  private filled<T extends PickleList | PickleDict | PickleSet>(target: T, items: readonly PickleValue[]): T {
    if (target instanceof PickleList) for (const item of items) target.items.push(item);
    else if (target instanceof PickleSet) for (const item of items) target.items.add(item);
    else {
      if (items.length % 2 !== 0) throw this.damaged("a key has no value");
      for (let i = 0; i < items.length; i += 2) target.entries.set(items[i]!, items[i + 1]!);
    }
    return target;
  }

  private fill(kind: typeof PickleList | typeof PickleDict | typeof PickleSet, items: readonly PickleValue[]): void {
    const target = this.top();
    if (!(target instanceof kind)) throw this.damaged("items are added to something that is not a collection");
    this.filled(target, items);
  }

  private push(value: PickleValue): void {
    this.stack.push(value);
  }

  /** The stack's least height: what lies below the last mark is out of reach until it is popped. */
  private get floor(): number {
    return this.marks.at(-1) ?? 0;
  }

  private top(): PickleValue {
    if (this.stack.length <= this.floor) throw this.damaged("a value is missing");
    return this.stack.at(-1)!;
  }

  private pop(): PickleValue {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  private popMany(count: number): PickleValue[] {
    if (this.stack.length - count < this.floor) throw this.damaged("a value is missing");
    return this.stack.splice(this.stack.length - count);
  }

  private popMark(): PickleValue[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw this.damaged("a mark is missing");
    return this.stack.splice(mark);
  }

  private put(slot: number): void {
    this.memo.set(slot, this.top());
  }

  private get(slot: number): void {
    const value = this.memo.get(slot);
    if (value === undefined) throw this.damaged(`it refers to value ${slot}, which it has not defined`);
    this.push(value);
  }

  private take(length: number): Uint8Array {
    if (this.at + length > this.bytes.length) throw this.damaged("it ends too early");
    const taken = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return taken;
  }

  private number(width: number, read: (at: number) => number): number {
    const { at } = this;
    this.take(width);
    return read(at);
  }

  private uint8(): number {
    return this.number(1, (i) => this.view.getUint8(i));
  }

  private uint32(): number {
    return this.number(4, (i) => this.view.getUint32(i, true));
  }

  private uint64(): number {
    return this.number(8, (i) => Number(this.view.getBigUint64(i, true)));
  }

  private string(length: number): string {
    return this.text.decode(this.take(length));
  }

  /** Little-endian two's complement. */
  private long(length: number): number | bigint {
    if (length > MAX_LONG_BYTES) throw this.damaged(`a whole number of ${length} bytes`);
    const digits = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i]!);
    if (length > 0 && digits[length - 1]! >= 0x80) value -= 1n << BigInt(8 * length);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.damaged("it ends too early");
    const text = this.text.decode(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return text;
  }

  private refused(what: string, advice = "save model.state_dict() instead"): UserError {
    return new UserError(
      `${this.where} was refused: at byte ${this.start} its pickle holds ${what}, and only tensors and plain containers are read; ${advice}`,
      { file: this.where },
    );
  }

  private damaged(why: string): UserError {
    return new UserError(`${this.where} is damaged: at byte ${this.start} of its pickle, ${why}; save it again`, {
      file: this.where,
    });
  }
}
