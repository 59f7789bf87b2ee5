/** The generator of pen-stroke digits. */
import * as assert from "uvu/assert";
import { DIGIT_SIZE, digitAt, drawDigit, generateDigits } from "../../tools/demo/digits.ts";
import { GLYPHS } from "../../tools/demo/glyphs.ts";
import { drawPictures } from "../../tools/demo/text-picture.ts";
import { suite } from "../harness.ts";

const PIXELS = DIGIT_SIZE * DIGIT_SIZE;

suite("data/digits", (test) => {
  test("ten digits with at least two forms each", () => {
    assert.is(GLYPHS.length, 10);
    for (const variants of GLYPHS) assert.ok(variants.length >= 2);
  });
  test("the same seed gives the same pictures, another seed others", () => {
    const first = generateDigits(40, 5);
    assert.equal(generateDigits(40, 5), first);
    assert.not.equal(generateDigits(40, 6).images, first.images);
    assert.not.equal(generateDigits(40, 6).labels, first.labels);
  });
  test("a picture depends on its number alone", () => {
    const all = generateDigits(40, 5);
    const later = generateDigits(10, 5, 30);
    assert.equal([...later.labels], [...all.labels.slice(30)]);
    assert.equal([...later.images], [...all.images.slice(30 * PIXELS)]);
    assert.equal([...drawDigit(digitAt(5, 17), 5, 17)], [...all.images.slice(17 * PIXELS, 18 * PIXELS)]);
  });
  test("every ten pictures hold each digit once, in changing order", () => {
    const { labels } = generateDigits(300, 0);
    const orders = new Set<string>();
    for (let i = 0; i < 300; i += 10) {
      const block = [...labels.slice(i, i + 10)];
      orders.add(block.join());
      assert.equal(block.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    assert.ok(orders.size > 25);
  });
  test("ink in every picture, but not much at its edge; no two pictures alike", () => {
    const { images } = generateDigits(500, 1);
    const seen = new Set<string>();
    let edge = 0;
    for (let i = 0; i < 500; i++) {
      const picture = images.subarray(i * PIXELS, (i + 1) * PIXELS);
      seen.add(picture.join());
      assert.ok(picture.filter((value) => value > 100).length > 15, `picture ${i} is nearly empty`);
      for (let k = 0; k < DIGIT_SIZE; k++) if ((picture[k] ?? 0) > 100 || (picture[PIXELS - 1 - k] ?? 0) > 100) edge++;
    }
    assert.is(seen.size, 500);
    assert.ok(edge < 500, `${edge} inked pixels in first and last rows`);
  });
});

suite("data/text-picture", (test) => {
  const picture = (caption: string): Parameters<typeof drawPictures>[0][number] => ({
    // A 6×4 window of a 6-pixel picture: two columns of margin are cut at each side.
    pixels: Uint8Array.from([0, 0, 255, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    size: 6,
    caption,
  });
  test("half blocks, side by side, captions below", () => {
    assert.equal(drawPictures([picture("a"), picture("b"), picture("c")], 2), ["█▄  █▄", " ▀   ▀", "", "a   b", "", "█▄", " ▀", "", "c", ""]);
  });
});
