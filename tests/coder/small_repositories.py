"""Small source files in many languages, each with definitions that are known, and workspaces made of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgemind.coder.listing import Listing
from edgemind.coder.workspace import Workspace

SOURCES = {
    "shapes.py": (
        'LIMIT = 3\n\n\nclass Shape:\n    """A shape."""\n\n    def area(self, scale: float = 1) -> float:\n'
        "        return scale\n\n\nasync def draw(\n    shape: Shape,\n    *,\n    width: int,\n)"
        " -> None:\n    print(shape)\n",
        {"LIMIT": 1, "Shape": 4, "area": 7, "draw": 11},
    ),
    "shapes.js": (
        "const LIMIT = 3;\nexport class Shape {\n  area(scale) { return scale; }\n}\nexport const draw = (shape) => {\n"
        "  return shape.area(1);\n};\nfunction plain() {}\n",
        {"LIMIT": 1, "Shape": 2, "area": 3, "draw": 5, "plain": 8},
    ),
    "old.cjs": (
        "var fs = require('fs');\nvar Util = {\n  side: 1\n};\nvar make = function (n) { return n; };\n"
        "Shape.prototype.area = function (scale) {\n  return scale;\n};\nexports.draw = (shape) => shape;\n"
        "module.exports = class Base {};\n",
        {"Util": 2, "make": 5, "area": 6, "draw": 9},
    ),
    "shapes.ts": (
        "export interface Shape {\n  area(scale: number): number;\n}\ntype Name = string;\nenum Kind { A, B }\n"
        "export function draw(shape: Shape): void {}\nabstract class Base { abstract go(): void }\n",
        {"Shape": 1, "area": 2, "Name": 4, "Kind": 5, "draw": 6, "Base": 7, "go": 7},
    ),
    "shapes.tsx": (
        "export function View(props: Props) {\n  return <b>{props.name}</b>;\n}\ninterface Props { name: string }\n",
        {"View": 1, "Props": 4},
    ),
    "shapes.go": (
        "package shapes\n\nconst Limit = 3\n\ntype Shape struct {\n\tside int\n}\n\n"
        "func (s *Shape) Area(scale int) int {\n\treturn scale\n}\n\nfunc Draw(s Shape) {}\n",
        {"Limit": 3, "Shape": 5, "Area": 9, "Draw": 13},
    ),
    "shapes.rs": (
        "pub struct Shape { side: u32 }\n\npub trait Area {\n    fn area(&self, scale: u32) -> u32;\n}\n\n"
        "impl Area for Shape {\n    fn area(&self, scale: u32) -> u32 { scale }\n}\n\nenum Kind { A, B }\n\n"
        "pub fn draw(shape: &Shape) {}\nconst LIMIT: u32 = 3;\nmacro_rules! twice { ($x:expr) => { $x } }\n",
        {"Shape": 1, "Area": 3, "area": 4, "Kind": 11, "draw": 13, "LIMIT": 14, "twice": 15},
    ),
    "Shapes.java": (
        "package a;\n\npublic class Shapes {\n    private int side;\n    public Shapes(int side) { }\n"
        "    public int area(int scale) { return scale; }\n}\ninterface Drawn { void draw(); }\nenum Kind { A, B }\n",
        {"Shapes": 3, "area": 6, "Drawn": 8, "draw": 8, "Kind": 9},
    ),
    "shapes.c": (
        "#define LIMIT 3\nstruct shape { int side; };\ntypedef struct shape shape_t;\n"
        "static int *area(struct shape *s, int scale)\n{\n    return 0;\n}\nenum kind { A, B };\n",
        {"LIMIT": 1, "shape": 2, "area": 4, "kind": 8},
    ),
    "shapes.cpp": (
        "namespace geo {\nclass Shape {\n public:\n  int area(int scale) { return scale; }\n};\n}\n"
        "template <typename T> T twice(T x) { return x; }\nint geo::Shape::side() { return 1; }\n",
        {"geo": 1, "Shape": 2, "area": 4, "twice": 7, "side": 8},
    ),
    "Shapes.cs": (
        "namespace Geo {\n  public class Shape {\n    public int Side { get; set; }\n"
        "    public int Area(int scale) { return scale; }\n  }\n  interface IDrawn { void Draw(); }\n}\n",
        {"Geo": 1, "Shape": 2, "Side": 3, "Area": 4, "IDrawn": 6, "Draw": 6},
    ),
    "shapes.rb": (
        "module Geo\n  class Shape\n    def area(scale)\n      scale\n    end\n\n    def self.make\n    end\n"
        "  end\nend\n",
        {"Geo": 1, "Shape": 2, "area": 3, "make": 7},
    ),
    "shapes.php": (
        "<?php\nnamespace Geo;\nclass Shape {\n  public function area(int $scale): int { return $scale; }\n}\n"
        "interface Drawn {}\nfunction draw(Shape $s) {}\n",
        {"Shape": 3, "area": 4, "Drawn": 6, "draw": 7},
    ),
    "Shapes.kt": (
        "class Shape(val side: Int) {\n    fun area(scale: Int): Int = scale\n}\nobject Maker {}\n"
        "fun draw(s: Shape) {}\n",
        {"Shape": 1, "area": 2, "Maker": 4, "draw": 5},
    ),
    "Shapes.scala": (
        "class Shape(side: Int) {\n  def area(scale: Int): Int = scale\n}\nobject Maker {}\n"
        "trait Drawn { def draw(): Unit }\n",
        {"Shape": 1, "area": 2, "Maker": 4, "Drawn": 5, "draw": 5},
    ),
    "shapes.swift": (
        "class Shape {\n  func area(scale: Int) -> Int { return scale }\n}\nprotocol Drawn { func draw() }\n"
        "struct Point { var x: Int }\n",
        {"Shape": 1, "area": 2, "Drawn": 4, "draw": 4, "Point": 5},
    ),
    "shapes.lua": (
        "local function area(scale)\n  return scale\nend\nfunction Shape.draw(s)\nend\n",
        {"area": 1, "draw": 4},
    ),
    "shapes.sh": ("area() {\n  echo 1\n}\nfunction draw {\n  area\n}\n", {"area": 1, "draw": 4}),
    "Shapes.hs": (
        "module Shapes where\n\ndata Shape = Shape Int\n\narea :: Int -> Int\narea s = s + 1\n",
        {"Shape": 3, "area": 5},
    ),
    "shapes.ml": (
        "type shape = { side : int }\n\nlet area s = s.side\n\nmodule Geo = struct end\n",
        {"shape": 1, "area": 3},
    ),
    "shapes.jl": ("struct Shape\n  side\nend\nfunction area(s)\n  s\nend\n", {"Shape": 1, "area": 4}),
    "shapes.dart": (
        "class Shape {\n  int area(int scale) { return scale; }\n}\nvoid draw(Shape s) {}\n",
        {"Shape": 1, "area": 2, "draw": 4},
    ),
    "shapes.pl": ("package Geo;\nsub area {\n  return 1;\n}\n", {"Geo": 1, "area": 2}),
    "shapes.zig": ("pub fn area(scale: u32) u32 {\n    return scale;\n}\n", {"area": 1}),
    "shapes.ex": ("defmodule Geo do\n  def area(scale) do\n    scale\n  end\nend\n", {"Geo": 1, "area": 2}),
    "shapes.proto": ("message Shape {\n  int32 side = 1;\n}\nservice Drawn {\n}\n", {"Shape": 1, "Drawn": 4}),
    "shapes.unknown": ("class Shape\nfunction area(scale)\n", {"Shape": 1, "area": 2}),
}
"""File name to text, and to the line of each name that it defines."""


def workspace(root: Path, files: Mapping[str, str | bytes]) -> tuple[Workspace, Listing]:
    """A folder with these files, as the assistant sees it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = Workspace.find(root)
    return found, Listing.of(found)
