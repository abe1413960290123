/// The extent of each axis of a tensor, up to ``mostAxes`` of them.
///
/// Written and read like an array of integers, `[1, 56, 56, 64]`, but kept in place. Operators, which must
/// take no memory beside their tensors', write `Shape(1, 56, 56, 64)`: of a literal in brackets the compiler
/// may make an array first.
@frozen public struct Shape: Sendable, Hashable {
  @usableFromInline var extents: (Int, Int, Int, Int, Int, Int)
  @usableFromInline var axes: Int

  /// A shape has no more axes than this.
  @inlinable public static var mostAxes: Int { 6 }

  @inlinable init(_ extents: (Int, Int, Int, Int, Int, Int), axes: Int) {
    self.extents = extents
    self.axes = axes
  }

  /// A shape of one axis.
  @inlinable public init(_ extent: Int) { self.init((extent, 0, 0, 0, 0, 0), axes: 1) }

  /// A shape of two axes, such as a matrix of rows and columns.
  @inlinable public init(_ first: Int, _ second: Int) {
    self.init((first, second, 0, 0, 0, 0), axes: 2)
  }

  /// A shape of three axes, such as tokens `(B, N, C)`.
  @inlinable public init(_ first: Int, _ second: Int, _ third: Int) {
    self.init((first, second, third, 0, 0, 0), axes: 3)
  }

  /// A shape of four axes, such as a map `(B, H, W, C)`.
  @inlinable public init(_ first: Int, _ second: Int, _ third: Int, _ fourth: Int) {
    self.init((first, second, third, fourth, 0, 0), axes: 4)
  }

  /// Makes a shape of extents, each at least 0.
  ///
  /// - Precondition: there are no more than ``mostAxes``.
  @inlinable public init(_ extents: some Collection<Int>) {
    precondition(
      extents.count <= Self.mostAxes,
      "a shape has at most \(Self.mostAxes) axes, not \(extents.count)")
    self.extents = (0, 0, 0, 0, 0, 0)
    axes = extents.count
    var axis = 0
    for extent in extents {
      self[axis] = extent
      axis += 1
    }
  }

  /// The number of axes.
  @inlinable public var count: Int { axes }

  /// The number of elements: the product of all extents, 1 for a scalar.
  @inlinable public var elementCount: Int {
    var product = 1
    for axis in 0..<count { product *= self[axis] }
    return product
  }

  /// Whether the last two axes are the same.
  func endsLike(_ other: Shape) -> Bool {
    count >= 2 && other.count >= 2 && self[count - 1] == other[other.count - 1]
      && self[count - 2] == other[other.count - 2]
  }

  /// The same with another extent of the last axis.
  ///
  /// - Precondition: there is an axis.
  @inlinable public func replacingLast(with extent: Int) -> Shape {
    var shape = self
    shape[count - 1] = extent
    return shape
  }
}

extension Shape: RandomAccessCollection, MutableCollection {
  /// 0.
  @inlinable public var startIndex: Int { 0 }
  /// The number of axes.
  @inlinable public var endIndex: Int { count }

  /// The extent of an axis.
  @inlinable public subscript(axis: Int) -> Int {
    get {
      precondition(axis >= 0 && axis < count, "axis \(axis) of a shape with \(count)")
      switch axis {
      case 0: return extents.0
      case 1: return extents.1
      case 2: return extents.2
      case 3: return extents.3
      case 4: return extents.4
      default: return extents.5
      }
    }
    set {
      precondition(axis >= 0 && axis < count, "axis \(axis) of a shape with \(count)")
      switch axis {
      case 0: extents.0 = newValue
      case 1: extents.1 = newValue
      case 2: extents.2 = newValue
      case 3: extents.3 = newValue
      case 4: extents.4 = newValue
      default: extents.5 = newValue
      }
    }
  }
}

extension Shape: ExpressibleByArrayLiteral {
  /// Makes a shape of its extents, perhaps by way of an array.
  @inlinable public init(arrayLiteral extents: Int...) { self.init(extents) }
}

extension Shape {
  /// Whether both have the same axes.
  @inlinable public static func == (one: Shape, other: Shape) -> Bool {
    one.count == other.count && one.extents.0 == other.extents.0
      && one.extents.1 == other.extents.1 && one.extents.2 == other.extents.2
      && one.extents.3 == other.extents.3 && one.extents.4 == other.extents.4
      && one.extents.5 == other.extents.5
  }

  /// Adds the extents to a hash.
  @inlinable public func hash(into hasher: inout Hasher) {
    for extent in self { hasher.combine(extent) }
  }
}

extension Shape: CustomStringConvertible {
  /// As an array is written: `[1, 56, 56, 64]`.
  public var description: String { Array(self).description }
}
